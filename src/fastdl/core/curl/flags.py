"""What becomes of each of curl's options: taken over, without meaning here, left out with a word, or refused.

The rule is what a careful user would want. An option that only says how curl talks, or what fastdl does anyway, is
passed over. One whose loss changes what is written besides the file is left out and told. One without which the answer
may be another, or less is checked than was asked for, is refused; and so is one that nobody here knows.
"""

from __future__ import annotations

from fastdl.core.hints import Literal
from fastdl.core.record import Record

Fate = Literal["taken", "idle", "left", "refused", "body"]


class Flag(Record):
    """One option of curl. `name` is its long name; `why` says what is lost, or why it cannot be done."""

    name: str
    takes_value: bool
    fate: Fate
    why: str = ""


# One word an option: `letter:name`, or the name alone.
_TAKEN_VALUES = """
A:user-agent b:cookie e:referer H:header u:user x:proxy U:proxy-user o:output output-dir m:max-time connect-timeout
retry limit-rate max-filesize cacert capath E:cert key cert-type key-type resolve connect-to interface netrc-file
oauth2-bearer url X:request proto proto-default noproxy socks5 socks5-hostname d:data data-ascii data-binary data-raw
data-urlencode url-query
"""
_TAKEN_FLAGS = """
O:remote-name remote-name-all J:remote-header-name k:insecure 4:ipv4 6:ipv6 G:get I:head n:netrc
0:http1.0 http1.1 http2 http2-prior-knowledge g:globoff ::next no-clobber skip-existing
"""
_IDLE_VALUES = """
retry-delay retry-max-time keepalive-time keepalive-cnt happy-eyeballs-timeout-ms expect100-timeout rate parallel-max
parallel-max-host Y:speed-limit y:speed-time w:write-out create-file-mode delegation random-file egd-file service-name
proxy-service-name hsts alt-svc ip-tos vlan-priority tftp-blksize ftp-method curves ciphers tls13-ciphers proxy-ciphers
proxy-tls13-ciphers signature-algorithms stderr trace-config
"""
_IDLE_FLAGS = """
basic compressed compressed-ssh create-dirs q:disable f:fail fail-early fail-with-body false-start
L:location s:silent S:show-error v:verbose #:progress-bar progress-meter N:buffer keepalive alpn npn sessionid
Z:parallel parallel-immediate p:proxytunnel R:remote-time remove-on-error retry-all-errors retry-connrefused
styled-output ssl ssl-reqd ssl-no-revoke ssl-revoke-best-effort ssl-allow-beast ssl-auto-client-cert
proxy-ssl-allow-beast proxy-ssl-auto-client-cert suppress-connect-headers tcp-fastopen tcp-nodelay mptcp 1:tlsv1
tlsv1.0 tlsv1.1 tlsv1.2 proxy-tlsv1 trace-time trace-ids path-as-is post301 post302 post303 follow http0.9 http3
proxy-anyauth proxy-basic proxy-digest proxy-http2 socks5-basic j:junk-session-cookies a:append B:use-ascii l:list-only
crlf tr-encoding ca-native proxy-ca-native tls-earlydata disallow-username-in-url sasl-ir ftp-create-dirs ftp-pasv
ftp-pret ftp-skip-pasv-ip ftp-ssl-ccc ftp-ssl-control tftp-no-options disable-eprt disable-epsv form-escape
mail-rcpt-allowfails socks5-gssapi-nec doh-insecure
"""
_LEFT = {
    "=r:range": "the whole file is fetched",
    "=C:continue-at": "a partial file of fastdl's is continued by itself",
    "=c:cookie-jar": "no cookies are written",
    "=D:dump-header": "no header is written",
    "=etag-save": "ETags are kept where fastdl keeps its own",
    "=etag-compare": "use -N to fetch what is newer",
    "=z:time-cond": "use -N to fetch what is newer",
    "=libcurl": "no code is written",
    "=trace": "use -v or --log",
    "=trace-ascii": "use -v or --log",
    "=dump-ca-embed": "nothing is written",
    "=max-redirs": "20 redirects are followed at most",
    "=local-port": "the system chooses the port",
    "=doh-url": "the system's names are asked for",
    "=dns-servers": "the system's names are asked for",
    "=dns-interface": "the system's names are asked for",
    "=dns-ipv4-addr": "the system's names are asked for",
    "=dns-ipv6-addr": "the system's names are asked for",
    "=proto-redir": "redirects go to http and https, and never from https to http",
    "=tls-max": "TLS 1.2 or newer is spoken",
    "tlsv1.3": "TLS 1.2 or newer is spoken",
    "=ech": "TLS goes without it",
    "digest": "the login goes as basic first, and as digest where the server asks for that",
    "anyauth": "the login goes as basic first, and as digest where the server asks for that",
    "netrc-optional": "fastdl's --netrc reads that file",
    "i:include": "a file holds no headers",
    "show-headers": "a file holds no headers",
    "location-trusted": "secrets stay with the host that they were given for",
    "http3-only": "HTTP/1.1 or HTTP/2 is spoken",
    "ignore-content-length": "sizes are always checked",
    "raw": "the coding of the transfer is always taken off",
    "xattr": "no attributes are written",
}
_BODIES = "=F:form =form-string =T:upload-file =json"
_REFUSED_VALUES = """
K:config variable expand-url expand-header expand-output expand-user expand-cookie expand-data
aws-sigv4 request-target unix-socket abstract-unix-socket pinnedpubkey crlfile pass engine preproxy socks4
socks4a proxy1.0 proxy-header proxy-cacert proxy-capath proxy-cert proxy-cert-type proxy-crlfile proxy-key
proxy-key-type proxy-pass proxy-pinnedpubkey proxy-tlsauthtype proxy-tlspassword proxy-tlsuser tlsauthtype tlspassword
tlsuser login-options sasl-authzid socks5-gssapi-service haproxy-clientip ipfs-gateway krb hostpubmd5 hostpubsha256
pubkey ftp-account ftp-alternative-to-user ftp-ssl-ccc-mode P:ftp-port Q:quote t:telnet-option upload-flags knownhosts
mail-auth mail-from mail-rcpt
"""
_REFUSED_FLAGS = """
ntlm ntlm-wb negotiate proxy-ntlm proxy-negotiate proxy-insecure socks5-gssapi haproxy-protocol cert-status
doh-cert-status out-null 2:sslv2 3:sslv3 metalink V:version h:help M:manual
"""


def _table() -> tuple[dict[str, Flag], dict[str, Flag]]:
    """By long name, and by letter."""
    names: dict[str, Flag] = {}
    letters: dict[str, Flag] = {}

    def add(word: str, takes_value: bool, fate: Fate, why: str = "") -> None:
        letter, colon, name = word.rpartition(":") if len(word) > 2 and word[1] == ":" else ("", "", word)
        flag = names[name] = Flag(name, takes_value, fate, why)
        if colon:
            letters[letter] = flag

    groups: tuple[tuple[str, bool, Fate], ...] = (
        (_TAKEN_VALUES, True, "taken"),
        (_TAKEN_FLAGS, False, "taken"),
        (_IDLE_VALUES, True, "idle"),
        (_IDLE_FLAGS, False, "idle"),
        (_REFUSED_VALUES, True, "refused"),
        (_REFUSED_FLAGS, False, "refused"),
    )
    for text, takes_value, fate in groups:
        for word in text.split():
            add(word, takes_value, fate)
    for word, why in _LEFT.items():
        add(word.removeprefix("="), word.startswith("="), "left", why)
    for word in _BODIES.split():
        add(word.removeprefix("="), True, "body")
    return names, letters


NAMES, LETTERS = _table()


def find(name: str) -> tuple[Flag, bool] | None:
    """The option of a long name, without its dashes, and whether it is switched on. As with curl, its beginning will do
    where it begins no other; `no-` switches a flag off."""
    if name in NAMES:
        return NAMES[name], True
    if name.startswith("no-") and name[3:] in NAMES and not NAMES[name[3:]].takes_value:
        return NAMES[name[3:]], False
    begun = [flag for each, flag in NAMES.items() if name and each.startswith(name)]
    return (begun[0], True) if len(begun) == 1 else None
