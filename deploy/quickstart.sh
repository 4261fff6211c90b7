#!/usr/bin/env bash
# Generates a text from a fresh clone: installs packages, builds, starts the three services, generates, stops them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prompt_given=false
default_prompt="Once upon a time"
default_question="Why is the sky blue? Explain it to a child."
default_model="$root/deploy/model/default.q8_0.gguf"
model=$default_model
keep_running=false
max_tokens=160

usage() {
  cat <<EOF
usage: deploy/quickstart.sh [--prompt TEXT] [--model FILE|NAME] [--max_tokens N] [--keep-running]

Installs the packages that the build needs (as root or with sudo) and prints their names. Builds the programs. Starts
verifier, drafter and gateway as three processes on free loopback ports. Prints the text that the model writes after
the prompt, and which tokens the drafter guessed. Compares the speed with and without drafts. Stops the three processes.
The drafter uses the file FILE.base_matrix beside the model if there is one; 'recycling matrix fill' makes it.
Only the package manager and the download of a model need the network.

  --prompt TEXT    the text to continue (default: "$default_prompt"); with smollm2 a question
                   (default: "$default_question")
  --model FILE     a GGUF file (default: deploy/model/default.q8_0.gguf)
  --model NAME     smollm2: downloads SmolLM2-135M-Instruct (98 MB) once, which answers questions.
                   A name has no slash and does not end in .gguf.
  --max_tokens N   the most tokens to write (default: $max_tokens)
  --keep-running   after the text, print the addresses and keep serving until Ctrl-C
  --help           this text
EOF
}

fail_usage() {
  echo "quickstart.sh: $1" >&2
  usage >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case "$1" in
    --prompt) [ $# -ge 2 ] || fail_usage "--prompt: expected a text"; prompt=$2; prompt_given=true; shift ;;
    --model) [ $# -ge 2 ] || fail_usage "--model: expected a file or a name"; model=$2; shift ;;
    --max_tokens) [ $# -ge 2 ] || fail_usage "--max_tokens: expected a number"; max_tokens=$2; shift ;;
    --keep-running) keep_running=true ;;
    --help | -h) usage; exit 0 ;;
    *) fail_usage "unknown argument: $1" ;;
  esac
  shift
done
name=
if [[ "$model" != */* && "$model" != *.gguf ]]; then
  name=$model
  [ "$name" = smollm2 ] || fail_usage "--model: got the name \"$name\", expected smollm2; a file needs a slash or the ending .gguf"
else
  [[ -f "$model" && -r "$model" ]] || fail_usage "--model: cannot read a file at $model"
fi
[[ "$max_tokens" =~ ^[1-9][0-9]{0,6}$ ]] || fail_usage "--max_tokens: got $max_tokens, expected a number above 0"

# shellcheck source=deploy/packages.sh
. "$root/deploy/packages.sh"
install_packages "${build_packages[@]}"

if [ -n "$name" ]; then
  model=$("$root/deploy/model/fetch.sh" "$name") || {
    echo "quickstart.sh: could not get the model $name; without --model the script uses $default_model" >&2
    exit 1
  }
  $prompt_given || prompt=$default_question
  shown="$prompt"$'\n\n'
  chat=true
else
  $prompt_given || prompt=$default_prompt
  shown=$prompt
  chat=false
fi

work=$(mktemp -d)
pids=()
stop_all() {
  trap - EXIT INT TERM
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop_all EXIT
trap 'stop_all; exit 130' INT
trap 'stop_all; exit 143' TERM

# build: compiles the programs. In a terminal ninja shows its own progress line. Elsewhere a line every 10 seconds shows
# the progress.
build() {
  if [ -t 2 ]; then
    ninja -C "$root/build/quickstart" >&2
    return
  fi
  ninja -C "$root/build/quickstart" >"$work/build.log" 2>&1 &
  local pid=$! seconds=0
  pids=("$pid")
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 10)) -eq 0 ]; then
      echo "building for $seconds s: step $(grep -o '^\[[0-9]*/[0-9]*\]' "$work/build.log" | tail -n 1)" >&2
    fi
  done
  pids=()
  wait "$pid" || { cat "$work/build.log" >&2; return 1; }
}

echo "building (the first time takes minutes, then seconds)" >&2
cmake --preset quickstart -S "$root" >"$work/configure.log" 2>&1 || { cat "$work/configure.log" >&2; exit 1; }
build
bin="$root/build/quickstart/bin"

# start NAME ARG...: starts recycling-NAME on a free loopback port, waits until it listens and sets `address`.
start() {
  local name=$1
  shift
  "$bin/recycling-$name" --listen=127.0.0.1:0 --port_file="$work/$name.port" "$@" 2>"$work/$name.log" &
  local pid=$!
  pids=("$pid" "${pids[@]}")  # the gateway stops first
  for _ in $(seq 600); do
    if [ -s "$work/$name.port" ]; then
      address=$(head -n 1 "$work/$name.port")
      return 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "recycling-$name did not start:" >&2
  cat "$work/$name.log" >&2
  exit 1
}

start verifier --model="$model"
verifier=$address
# A base matrix beside the model makes drafts better (drafter/store/README.md); making one takes too long here.
base=()
if [ -f "$model.base_matrix" ]; then base=(--base_matrix="$model.base_matrix"); fi
start drafter "${base[@]}"
drafter=$address
start gateway --verifiers="$verifier" --drafters="$drafter" --http_listen=auto
gateway=$address
http=$(tail -n 1 "$work/gateway.port")
for _ in $(seq 600); do
  if "$bin/recycling" health --gateway="$gateway" >/dev/null 2>&1; then break; fi
  sleep 0.1
done

# foreground PROGRAM ARG...: runs a program in the background and waits for it, so that the script handles a signal at
# once.
foreground() {
  "$@" &
  local pid=$!
  local services=("${pids[@]}")
  pids=("$pid" "${pids[@]}")
  wait "$pid"
  pids=("${services[@]}")
}

printf "%s" "$shown"
foreground "$bin/recycling" generate --gateway="$gateway" --prompt="$prompt" --max_tokens="$max_tokens" \
  --temperature=0.7 --top_p=0.95 --seed=7 --speculation=full --show_drafts --chat=$chat \
  --request='{"speculation": {"nodeBudget": 8}}'

# The same prompt plain and with drafts, in turns. The drafts change how fast the tokens come, never the tokens. Each run
# begins with an empty matrix, because a matrix that has seen the text would recite it.
printf '\nThe same prompt with and without drafts:\n\n'
quoted=${prompt//\\/\\\\}
quoted=${quoted//\"/\\\"}
quoted=${quoted//$'\n'/\\n}
printf '{"prompt": "%s"}\n' "${quoted//$'\t'/\\t}" >"$work/prompt.jsonl"
foreground "$bin/recycling" bench --gateway="$gateway" --prompts="$work/prompt.jsonl" --max_tokens="$max_tokens" \
  --temperature=0.7 --top_p=0.95 --seed=7 --repeat=6 --speculation=full --chat=$chat \
  --request='{"speculation": {"nodeBudget": 8, "matrixScope": "MATRIX_SCOPE_REQUEST"}}'

if $keep_running; then
  cat <<EOF

serving until Ctrl-C
  page      $http    chat and draft trees; also the OpenAI API, at $http/v1
  gateway   $gateway    $bin/recycling generate --gateway=$gateway --prompt="..."
  verifier  $verifier
  drafter   $drafter
EOF
  wait -n "${pids[@]}" || true
  echo "one of the services has ended; stopping the others" >&2
  exit 1
fi
