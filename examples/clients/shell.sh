#!/bin/sh
# A client of API v1 with curl and jq: sends one message, and follows its task to the end.
#
#     POLLUX_TOKEN=... sh shell.sh http://localhost:8091 "Hello"
#
# It prints one line of JSON for each event that it has shown and one for each gap; the text goes
# to standard error.

base=${1:?usage: shell.sh BASE_URL [MESSAGE]}
api="${base%/}/api/v1"
message=${2:-Hello}
token=${POLLUX_TOKEN:-any}
interval=0.25

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
body=$folder/body
headers=$folder/headers
# The token is kept out of the list of processes.
printf 'header = "Authorization: Bearer %s"\n' "$token" > "$folder/config"

say() { printf '[%s]\n' "$1" >&2; }

stop() {
    say "$1"
    exit 1
}

# ask ARGUMENTS...: one request; the answer is in $status (000: none), $body and $headers.
ask() {
    status=$(curl --silent --max-time 10 --config "$folder/config" --dump-header "$headers" \
        --output "$body" --write-out '%{http_code}' "$@") || status=000
    case $status in
        401) stop "the token was refused" ;;
        404) stop "the server does not know the task any more" ;;
    esac
}

# pause FAILURES: leave the server alone, for as long as it wants at least.
pause() {
    [ "$1" -ge 8 ] && stop "the server does not recover"
    wait=$(jq -n --argjson n "$1" '[0.5 * pow(2; $n - 1), 10] | min')
    wanted=$(tr -d '\r' < "$headers" 2> /dev/null |
        sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p' | tail -n 1)
    if [ -n "$wanted" ]; then
        wait=$(jq -n --argjson a "$wait" --argjson b "$wanted" '[$a, $b] | max')
    fi
    : > "$headers"
    sleep "$wait"
}

failures=0
while :; do
    ask --request POST --header 'Content-Type: application/json' \
        --data "$(jq -nc --arg message "$message" '{message: $message}')" "$api/messages"
    case $status in
        202) break ;;
        409)
            say "another task is running; waiting for it"
            sleep 1
            ;;
        000 | 429 | 5??) say "status $status" ;;
        *) stop "the message was refused: $(cat "$body")" ;;
    esac
    failures=$((failures + 1))
    pause "$failures"
done
task=$(jq -r .task_id "$body")

offset=0
expected=0
failures=0
while :; do
    ask "$api/tasks/$task?from=$offset"
    # What is not as promised is as good as no answer.
    if [ "$status" != 200 ] ||
        ! jq -e '(.data.events | type == "array") and (.data.next_offset | type == "number")' \
            "$body" > /dev/null 2>&1; then
        say "status $status"
        failures=$((failures + 1))
        pause "$failures"
        continue
    fi
    failures=0
    jq -c --argjson offset "$offset" \
        '.data.events[0].idx // 0 | select(. > $offset) | {gap: [$offset, .]}' "$body"
    jq -c --argjson expected "$expected" \
        '.data.events[] | select(.idx >= $expected) | {idx, type}' "$body"
    jq -j --argjson expected "$expected" \
        '.data.events[] | select(.idx >= $expected and .type == "text_chunk") | .data.content' \
        "$body" >&2
    expected=$(jq --argjson expected "$expected" \
        '[$expected, (.data.events[-1].idx // -1) + 1] | max' "$body")
    case $(jq -r .data.status "$body") in
        succeeded) say succeeded; exit 0 ;;
        failed | canceled | stopped) stop "$(jq -r .data.status "$body")" ;;
    esac
    offset=$(jq .data.next_offset "$body")
    sleep "$interval"
done
