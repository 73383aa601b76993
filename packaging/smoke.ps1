# Installs fastdl by one package manager of Windows, runs it as a new console would, and takes it away again.
#
#   packaging\smoke.ps1 -Manager scoop -Dist dist     what was built here, from a server on this machine
#   packaging\smoke.ps1 -Manager scoop                what is published
#
# For GitHub's runners and other machines that nobody needs afterwards.
param(
  [Parameter(Mandatory)] [ValidateSet('winget', 'choco', 'scoop')] [string] $Manager,
  [string] $Dist = '',
  [string] $Version = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$root = Split-Path $PSScriptRoot
$names = @{ winget = 'winget'; choco = 'Chocolatey'; scoop = 'Scoop' }
$identity = 'fastdl.fastdl'
$port = 8765
$address = "http://127.0.0.1:$port"

function Invoke-Checked([string] $Program, [string[]] $Words) {
  Write-Output "> $Program $($Words -join ' ')"
  & $Program @Words
  if ($LASTEXITCODE -ne 0) { throw "$Program ended with $LASTEXITCODE" }
}

# The PATH that a console opened now would have: the runner's own does not change by an installation.
function Update-Path {
  $places = @(
    [Environment]::GetEnvironmentVariable('Path', 'Machine'), [Environment]::GetEnvironmentVariable('Path', 'User')
  )
  $env:Path = ($places | Where-Object { $_ }) -join ';'
}

# Waits until the server answers, for at most ten seconds.
function Wait-Server {
  foreach ($try in 1..100) {
    try {
      Invoke-WebRequest -UseBasicParsing "$address/latest.json" | Out-Null
      return
    } catch {
      Start-Sleep -Milliseconds 100
    }
  }
  throw "the server on port $port does not answer"
}

function Install-Local([string] $Folder) {
  switch ($Manager) {
    'winget' {
      Invoke-Checked winget @('settings', '--enable', 'LocalManifestFiles')
      Invoke-Checked winget @('validate', '--manifest', (Join-Path $root "$Dist/manifests/winget"))
      $words = @('install', '--manifest', (Join-Path $Folder 'winget'), '--disable-interactivity')
      Invoke-Checked winget ($words + @('--accept-package-agreements', '--accept-source-agreements'))
    }
    'choco' { Invoke-Checked choco @('install', 'fastdl', '--source', (Join-Path $root $Dist), '--yes', '--no-progress') }
    'scoop' { Invoke-Checked scoop @('install', (Join-Path $Folder 'scoop/fastdl.json')) }
  }
}

function Install-Published {
  switch ($Manager) {
    'winget' {
      $words = @('install', '--id', $identity, '--exact', '--source', 'winget', '--disable-interactivity')
      Invoke-Checked winget ($words + @('--accept-package-agreements', '--accept-source-agreements'))
    }
    'choco' { Invoke-Checked choco @('install', 'fastdl', '--yes', '--no-progress') }
    'scoop' {
      Invoke-Checked scoop @('bucket', 'add', 'fastdl', 'https://github.com/fastdl/scoop-bucket')
      Invoke-Checked scoop @('install', 'fastdl/fastdl')
    }
  }
}

function Uninstall-Fastdl {
  switch ($Manager) {
    'winget' { Invoke-Checked winget @('uninstall', '--id', $identity, '--exact', '--disable-interactivity') }
    'choco' { Invoke-Checked choco @('uninstall', 'fastdl', '--yes') }
    'scoop' { Invoke-Checked scoop @('uninstall', 'fastdl') }
  }
}

$server = $null
try {
  if ($Dist) {
    $folder = Join-Path ([IO.Path]::GetTempPath()) 'fastdl smoke'
    $served = Join-Path $root $Dist
    Invoke-Checked python @((Join-Path $PSScriptRoot 'release.py'), 'local', '--dist', $served, $folder, $address)
    Copy-Item (Join-Path $folder 'latest.json') $served
    $words = @('-m', 'http.server', "$port", '--bind', '127.0.0.1', '--directory', "`"$served`"")
    $server = Start-Process python -ArgumentList $words -PassThru -NoNewWindow
    Wait-Server
    Install-Local $folder
  } else {
    Install-Published
  }

  Update-Path
  $found = (Get-Command fastdl).Source
  Write-Output "found: $found"
  $said = (& fastdl --version) -join ''
  if ($LASTEXITCODE -ne 0) { throw "fastdl --version ended with $LASTEXITCODE" }
  Write-Output "says: $said"
  if ($Version -and $said -ne "fastdl $Version") { throw "fastdl $Version was expected" }
  Invoke-Checked fastdl @('demo')

  # Who installed it has to be known to fastdl itself. The server on this machine says that a newer one is out.
  if ($server) { $env:FASTDL_RELEASES = "$address/latest.json" }
  $told = (& fastdl upgrade --check --json) | ConvertFrom-Json
  if ($told.installed_by -ne $names[$Manager]) { throw "fastdl says that $($told.installed_by) installed it" }
  Write-Output "upgrade with: $($told.command)"

  Uninstall-Fastdl
  if (Test-Path $found) { throw "$found is still there" }
} finally {
  if ($server) { Stop-Process -Id $server.Id }
}
Write-Output "well: $Manager"
