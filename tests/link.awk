# Reads C tests and writes make rules: build/tests/STAGE/NAME and the objects that the first comment of
# the test, `/* link: a.c b.c */`, names. The comment may go over several lines.

function begin(path,    parts, name) {
    if (NR > 1) print ""
    split(path, parts, "/") # tests STAGE PREFIX_NAME.c
    flavour = parts[2] == "unit" ? "san" : parts[2]
    name = parts[3]
    sub(/^[a-z]*_/, "", name)
    sub(/\.c$/, "", name)
    printf "build/tests/%s/%s:", parts[2], name
    object(path)
    linking = $0 ~ /^\/\* link:/
}

function object(source) {
    sub(/\.c$/, "", source)
    printf " build/%s/%s.o", flavour, source
}

FILENAME ~ /\.c$/ && FNR == 1 { begin(FILENAME) }
linking {
    for (i = 1; i <= NF; i++) {
        if ($i ~ /\.c$/) object($i)
    }
    if ($0 ~ /\*\//) linking = 0
}
END { print "" }
