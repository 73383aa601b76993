# Installs fastdl by one package manager of Windows, runs it as a new console would, and takes it away again.
#
#   packaging\smoke.ps1 -Manager scoop -Dist dist     what was built here, from a server on this machine
#   packaging\smoke.ps1 -Manager scoop                what is published
#
# For GitHub's runners and other machines that nobody needs afterwards.
param(
  [Parameter(Mandatory)] [ValidateSet('winget', 'choco', 'scoop')] [string] $Manager,
  [string] $Dist = ''
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$root = Split-Path $PSScriptRoot
$names = @{ winget = 'winget'; choco = 'Chocolatey'; scoop = 'Scoop' }
$identity = 'fastdl.fastdl'
$port = 8765
$address = "http://127.0.0.1:$port"

function Invoke-Checked([string] $Program, [string[]] $Words, [int[]] $Well = @(0)) {
  Write-Output "> $Program $($Words -join ' ')"
  & $Program @Words
  if ($LASTEXITCODE -notin $Well) { throw "$Program ended with $LASTEXITCODE" }
}

# The PATH that a console opened now would have: the runner's own does not change by an installation.
function Update-Path {
  $places = @(
    [Environment]::GetEnvironmentVariable('Path', 'Machine'), [Environment]::GetEnvironmentVariable('Path', 'User')
  )
  $env:Path = ($places | Where-Object { $_ }) -join ';'
}

# A server on this machine for the files of a folder, and for `fastdl upgrade`: it says that a newer version is out.
# GitHub says it without a login sixty times an hour, to all runners behind one address together.
function Start-Server([string] $Place) {
  $newest = @{ tag_name = 'v99.0'; html_url = $address; assets = @() }
  $newest | ConvertTo-Json | Set-Content (Join-Path $Place 'latest.json')
  $words = @('-m', 'http.server', "$port", '--bind', '127.0.0.1', '--directory', "`"$Place`"")
  Start-Process python -ArgumentList $words -PassThru -NoNewWindow
}

# Waits until the server answers, for half a minute.
function Wait-Server {
  $end = (Get-Date).AddSeconds(30)
  while ((Get-Date) -lt $end) {
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
      # An older winget has remarks on a newer form of the manifests, and takes them all the same.
      $remarks = -1978335192 # 0x8A150028
      Invoke-Checked winget @('validate', '--manifest', (Join-Path $root "$Dist/manifests/winget")) @(0, $remarks)
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
    'winget' {
      # What came by a manifest of ours is not known by its identity, as no source has it.
      $what = if ($Dist) { @('--manifest', (Join-Path $folder 'winget')) } else { @('--id', $identity, '--exact') }
      Invoke-Checked winget (@('uninstall') + $what + @('--accept-source-agreements', '--disable-interactivity'))
    }
    'choco' { Invoke-Checked choco @('uninstall', 'fastdl', '--yes') }
    'scoop' { Invoke-Checked scoop @('uninstall', 'fastdl') }
  }
}

$server = $null
try {
  $folder = Join-Path ([IO.Path]::GetTempPath()) 'fastdl smoke'
  New-Item -ItemType Directory -Force $folder | Out-Null
  $served = if ($Dist) { Join-Path $root $Dist } else { $folder }
  $server = Start-Server $served
  Wait-Server
  if ($Dist) {
    Invoke-Checked python @((Join-Path $PSScriptRoot 'release.py'), 'local', '--dist', $served, $folder, $address)
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
  if ($Dist -and -not (Test-Path (Join-Path $served "$($said.Replace(' ', '.')).nupkg"))) { throw 'another was built' }
  Invoke-Checked fastdl @('demo')

  # Who installed it has to be known to fastdl itself.
  $env:FASTDL_RELEASES = "$address/latest.json"
  $answer = & fastdl upgrade --check --json
  if ($LASTEXITCODE -ne 0) { throw "fastdl upgrade ended with $LASTEXITCODE" }
  $told = $answer | ConvertFrom-Json
  if ($told.installed_by -ne $names[$Manager]) { throw "fastdl says that $($told.installed_by) installed it" }
  Write-Output "upgrade with: $($told.command)"

  Uninstall-Fastdl
  if (Test-Path $found) { throw "$found is still there" }
} finally {
  if ($server) { Stop-Process -Id $server.Id }
}
Write-Output "well: $Manager"
