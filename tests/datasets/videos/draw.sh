#!/bin/sh
# Draw the videos of this folder with ffmpeg 9. They are 64×48 px with 25 frames per second, and frame n has grey level
# 20 + 15 (n - 1). Each has the traits of files from one common kind of writer.
# The interlaced video shows a test pattern.
# Usage: FFMPEG=path/of/ffmpeg sh draw.sh
set -eu
ffmpeg=${FFMPEG:-ffmpeg}
draw() {
    count=$1
    shift
    "$ffmpeg" -v error -y -f lavfi -i "color=black:s=64x48:r=25,format=gray,geq=lum='20+15*N',format=yuv420p" \
        -frames:v "$count" -fflags +bitexact -flags:v +bitexact "$@"
}
x264="-c:v libx264 -preset veryslow -crf 10"
uneven="settb=1/1000,setpts=eq(N\\,1)*30+eq(N\\,2)*90+eq(N\\,3)*210+eq(N\\,4)*250"
# shellcheck disable=SC2086
{
    draw 6 $x264 -movflags +faststart faststart.mp4
    draw 6 $x264 -g 3 -movflags +frag_keyframe+empty_moov fragmented.mp4
    draw 6 $x264 -f matroska pipe:1 | cat >piped.mkv
    draw 6 -c:v libvpx-vp9 -f webm pipe:1 | cat >piped.webm
    draw 6 -c:v mpeg4 -q:v 1 -f avi pipe:1 | cat >piped.avi
    draw 6 -c:v mpeg4 -q:v 1 -bf 2 bidirectional.avi # its timestamps start at 0.04 s
    draw 6 $x264 -bf 2 -movflags +frag_keyframe+dash+empty_moov+delay_moov -g 3 dash.mp4
    draw 6 $x264 -output_ts_offset 1.5 late.mkv
    draw 6 $x264 -output_ts_offset 1.5 late.mp4
    draw 5 -vf "$uneven" $x264 -fps_mode passthrough -enc_time_base 1:1000 variable.mp4
    draw 5 -vf "$uneven" $x264 -fps_mode passthrough -enc_time_base 1:1000 variable.mkv
    draw 6 -c:v libaom-av1 av1.mp4
}
"$ffmpeg" -v error -y -f lavfi -i testsrc=size=64x64:rate=25 -frames:v 2 -c:v libx264 -pix_fmt yuv420p -flags +ildct+ilme \
    interlaced.mp4
