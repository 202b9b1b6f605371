"""A private apt: indexes, caches and source lists of our own, in the cache. The machine's apt files
are read for mirrors, keys and proxies, and never changed."""

import glob
import os
import re
import subprocess
import sys

APT_HELPER = "/usr/lib/apt/apt-helper"


class FetchError(Exception):
    """A sentence for the person at the keyboard."""


def say(text):
    print("fetch: " + text, file=sys.stderr, flush=True)


def codename():
    """The Debian release of this machine; DUET_SUITE overrides it."""
    if os.environ.get("DUET_SUITE"):
        return os.environ["DUET_SUITE"]
    for line in open("/etc/os-release"):
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip().strip('"')
    raise FetchError("/etc/os-release has no VERSION_CODENAME: is this Debian 12? (DUET_SUITE=name overrides)")


def apt_files():
    root = os.environ.get("DUET_APT_DIR", "/etc/apt")
    return [f for f in [root + "/sources.list"] if os.path.exists(f)] + sorted(
        glob.glob(root + "/sources.list.d/*.list") + glob.glob(root + "/sources.list.d/*.sources"))


def one_line_entry(line):
    """`deb [a=b c=d] uri suite component...` as a dictionary of deb822 fields, or None."""
    m = re.match(r"\s*(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)", line.split("#")[0].rstrip())
    if not m:
        return None
    names = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}
    entry = {"Types": m[1], "URIs": m[3], "Suites": m[4], "Components": m[5]}
    for option in (m[2] or "").split():
        key, _, value = option.partition("=")
        if key.lower() in names:
            entry[names[key.lower()]] = value
    return entry


def deb822_entries(text):
    """Stanzas of `Field: value` with continuation lines; comments fall out."""
    for stanza in re.split(r"\n\s*\n", text):
        entry, field = {}, None
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and field:
                entry[field] += "\n" + line
            elif ":" in line:
                field, value = line.split(":", 1)
                field = {"uris": "URIs", "signed-by": "Signed-By"}.get(field.lower(), field.title())
                entry[field] = value.strip()
        if entry.get("URIs") and entry.get("Enabled", "yes").lower() not in ("no", "false", "0"):
            yield entry


def machine_entries():
    """The machine's own entries that name this Debian release and its main component."""
    name = codename()
    wanted = {name, name + "-updates", name + "-security", "stable", "oldstable", "stable-updates", "oldstable-updates",
              "stable-security", "oldstable-security"}
    for path in apt_files():
        text = open(path, errors="replace").read()
        entries = (deb822_entries(text) if path.endswith(".sources")
                   else filter(None, map(one_line_entry, text.splitlines())))
        for entry in entries:
            suites = [s for s in entry["Suites"].split() if s in wanted or s.split("/")[0] in wanted]
            if suites and "main" in entry.get("Components", "").split() and "deb" in entry["Types"].split():
                if not entry["URIs"].startswith("cdrom:"):
                    yield {**entry, "Suites": " ".join(suites)}


def mirrors(path=""):
    """Base addresses in the machine's order, those of the security suite first for a path of its pool:
    pool paths of the lock are looked for below them."""
    seen = []
    security = path.startswith("pool/updates/")
    for entry in sorted(machine_entries(), key=lambda e: ("-security" in e["Suites"]) != security):
        for uri in entry["URIs"].split():
            if uri.rstrip("/") not in seen:
                seen.append(uri.rstrip("/"))
    return seen


def snapshots(apt_dir, stamp):
    """Bases of Debian's snapshot archive at `stamp`: DUET_SNAPSHOT, the comments of the machine's apt
    files, and the Snapshots: field of the Release files that apt has verified."""
    found = []
    for uri in os.environ.get("DUET_SNAPSHOT", "").split():
        found.append(uri if "@SNAPSHOTID@" in uri or re.search(r"/\d{8}T\d{6}Z", uri) else uri.rstrip("/") + "/@SNAPSHOTID@")
    for path in apt_files():
        found += re.findall(r"^#.*?(https?://\S*/\d{8}T\d{6}Z)", open(path, errors="replace").read(), re.M)
    for path in glob.glob(apt_dir + "/lists/*Release") + glob.glob("/var/lib/apt/lists/*Release"):
        found += [u for u in re.findall(r"^Snapshots:\s*(\S+)", open(path, errors="replace").read(), re.M) if u != "no"]
    bases = []
    for uri in found:
        uri = re.sub(r"/\d{8}T\d{6}Z", "/" + stamp, uri).replace("@SNAPSHOTID@", stamp).rstrip("/")
        if uri not in bases:
            bases.append(uri)
    return bases


class Apt:
    """The private apt below `directory`. Nothing is made before it is needed."""

    def __init__(self, directory):
        self.dir = directory
        self.updated = False
        self.env = None

    def prepare(self):
        if self.env:
            return
        d = self.dir
        for sub in ("lists/partial", "cache/archives/partial", "preferences.d"):
            os.makedirs(os.path.join(d, sub), exist_ok=True)
        open(d + "/status", "a").close()
        with open(d + "/sources.sources", "w") as f:
            for entry in machine_entries():
                fields = {**entry, "Types": "deb deb-src", "Components": "main"}
                for key in ("Types", "URIs", "Suites", "Components", "Signed-By", "Trusted", "Check-Valid-Until"):
                    if fields.get(key):
                        f.write("%s: %s\n" % (key, fields[key]))
                f.write("\n")
        with open(d + "/preferences", "w") as f:
            f.write("Package: *\nPin: release o=Debian\nPin-Priority: 990\n")
        machine = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        keep = [l for l in machine.splitlines() if re.match(r"(Acquire::|APT::Architecture)", l) and "Acquire::Languages" not in l]
        with open(d + "/apt.conf", "w") as f:
            f.write("\n".join(keep) + "\n")
            f.write('Dir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\nDir::Etc::sourcelist "/dev/null";\n'
                    'Dir::Etc::sourceparts "%s/sources.d";\nDir::Etc::preferences "%s/preferences";\n'
                    'Dir::Etc::preferencesparts "%s/preferences.d";\n'
                    'Dir::State "%s";\nDir::State::lists "%s/lists";\nDir::State::status "%s/status";\n'
                    'Dir::Cache "%s/cache";\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n'
                    'Acquire::Retries "%s";\n' % ((d,) * 7 + (os.environ.get("DUET_APT_RETRIES", "3"),)))
        os.makedirs(d + "/sources.d", exist_ok=True)
        os.replace(d + "/sources.sources", d + "/sources.d/duet.sources")
        self.env = dict(os.environ, APT_CONFIG=d + "/apt.conf", LC_ALL="C")

    def run(self, *command):
        self.prepare()
        return subprocess.run(command, env=self.env, capture_output=True, text=True)

    def download(self, uri, path, sha256):
        """True when `path` now holds the bytes; apt checks the sum, its proxies and keys apply."""
        done = self.run(APT_HELPER, "-qq", "download-file", uri, path, "SHA256:" + sha256)
        return done.returncode == 0 and os.path.exists(path), done.stderr.strip()

    def update(self):
        """Reads the mirrors' indexes once a process; raises when they cannot be read or verified."""
        if self.updated:
            return
        self.prepare()
        if not os.path.getsize(self.dir + "/sources.d/duet.sources"):
            raise FetchError("the machine's apt files (%s) name no Debian mirror for %s main: add one, or set DUET_VENDOR"
                             % (", ".join(apt_files()) or "none found", codename()))
        say("reading the mirror's package lists")
        done = self.run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
        if done.returncode:
            raise FetchError("apt could not read or verify the mirror's package lists:\n%s\n"
                             "Is the network up? Without one, set DUET_VENDOR to an archive made by `make vendor`." % done.stderr.strip())
        self.updated = True

    def stanzas(self, *command):
        self.update()
        for text in self.run(*command).stdout.split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z0-9-]+):[ \t]*((?:.*\n?)(?:[ \t].*\n?)*)", text + "\n", re.M))
            if fields:
                yield {k: v.strip() for k, v in fields.items()}

    def newest(self, kind, name):
        """(version, [(pool path, size, sha256)]) of the newest that the indexes hold."""
        best = None
        shown = (("apt-cache", "showsrc", "--only-source", name) if kind == "source" else ("apt-cache", "show", name))
        for s in self.stanzas(*shown):
            if kind == "source" and s.get("Package") == name and "Checksums-Sha256" in s:
                files = [(s["Directory"] + "/" + n, int(size), sha) for sha, size, n in
                         (line.split() for line in s["Checksums-Sha256"].splitlines() if line.strip())]
            elif kind == "binary" and s.get("Package") == name and "Filename" in s:
                files = [(s["Filename"], int(s["Size"]), s["SHA256"])]
            else:
                continue
            files = [f for f in files if not f[0].endswith(".asc")]
            if not best or newer(s["Version"], best[0]):
                best = (s["Version"], sorted(files))
        if not best:
            raise FetchError("the mirror has no %s package %s for %s (looked below %s)"
                             % (kind, name, codename(), ", ".join(mirrors())))
        return best


def newer(a, b):
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b]).returncode == 0
