"""A client of the gateway. It streams a text, prints the statistics and can cancel the request.

If the gateway is full, it tries again. See ../README.md for its packages and arguments.
"""
import argparse
import sys
import time

import grpc
from recycling.gateway.v1 import gateway_pb2 as pb
from recycling.gateway.v1 import gateway_pb2_grpc as rpc

TRIES = 8


def stream(stub, request, cancel_after):
    """Prints the text as it comes. Returns the final message, or None if the request was cancelled."""
    call = stub.Generate(request)
    pieces = 0
    for response in call:
        event = response.WhichOneof("event")
        if event == "delta":
            print(response.delta.text, end="", flush=True)
            pieces += 1
            if pieces == cancel_after:
                call.cancel()  # the gateway stops the request within one step
                return None
        elif event == "final":
            return response.final


def generate(stub, request, cancel_after):
    """Like stream(), but if the gateway takes no more requests, waits and tries again."""
    pause = 0.25
    for left in range(TRIES, 0, -1):
        try:
            return stream(stub, request, cancel_after)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or left == 1:
                raise
            print(f"the gateway is full ({error.details()}); trying again in {pause} s", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause *= 2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default="127.0.0.1:50050")
    parser.add_argument("--prompt", default="Once upon a time")
    parser.add_argument("--max_tokens", type=int, default=64)
    parser.add_argument("--cancel_after", type=int, default=0, help="cancel after this many pieces of text; 0: never")
    arguments = parser.parse_args()

    request = pb.GenerateRequest(prompt=arguments.prompt)
    request.sampling.max_tokens = arguments.max_tokens
    with grpc.insecure_channel(arguments.gateway) as channel:
        try:
            final = generate(rpc.GatewayServiceStub(channel), request, arguments.cancel_after)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
    print()
    if final is None:
        print("cancelled", file=sys.stderr)
        return
    seconds = final.timings.total_micros / 1e6
    print(f"{final.usage.completion_tokens} tokens in {seconds:.2f} s, "
          f"{final.speculation.mean_accepted_tokens:.2f} tokens a step, "
          f"ended by {pb.FinishReason.Name(final.finish_reason)}", file=sys.stderr)


if __name__ == "__main__":
    main()
