#!/bin/sh
# espeak-ng 1.51 (Debian 12, 1.51+dfsg-10+deb12u2): `-v en-gb+f2` speaks as `-v en-gb` does, to the byte, without a word;
# `-v en+f2`, which is the same accent by its file's name, and `-v en-us+f2` have the variant's voice.
#
# The guess was that `ACCENT+VARIANT` gives every accent the variant's voice. Seen: of five variants en-gb has one voice,
# en and en-us five each. Whoever makes data of accents in several voices gets one voice for Great Britain, and a network
# that tells that accent by its voice.
# Fails where the counts of voices change. Needs apt-get and dpkg-deb; nothing is installed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get --quiet download 'espeak-ng=1.51+dfsg-10+deb12u2' 'espeak-ng-data=1.51+dfsg-10+deb12u2' \
    'libespeak-ng1=1.51+dfsg-10+deb12u2' libpcaudio0 libsonic0 > download.txt 2>&1
for file in *.deb; do dpkg-deb --extract "$file" files; done
libraries=$(echo files/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH="$folder/$libraries" ESPEAK_DATA_PATH="$folder/$libraries"
text="The farmer parked his car beside the barn."
for accent in en-gb en en-us; do
    for variant in m1 m2 f1 f2 linda; do
        files/usr/bin/espeak-ng -v "$accent+$variant" "$text" --stdout | sha256sum
    done | sort -u | wc -l > "$accent.txt"
    echo "$accent: $(cat "$accent.txt") voices of 5"
done
files/usr/bin/espeak-ng -v en-gb "$text" --stdout > gb.wav
files/usr/bin/espeak-ng -v en "$text" --stdout > en.wav
cmp gb.wav en.wav
test "$(cat en-gb.txt)" -eq 1 && test "$(cat en.txt)" -eq 5 && test "$(cat en-us.txt)" -eq 5
echo "as seen: en-gb has its variants dropped, silently"
