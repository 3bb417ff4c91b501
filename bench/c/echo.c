/*
 * Round trips of one message at a time, or of several in flight; both ends block.
 *
 *   bench_echo serve                                   prints `port N`, sends everything back
 *   bench_echo ask PORT SIZE COUNT WARMUP [IN_FLIGHT]  prints `seconds` for all of them, and percentiles of
 *                                                      the round trip in microseconds
 */
#include "common.h"

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void ask(int port, size_t size, long count, long warmup, long in_flight) {
  ENetHost *host = open_client(1);
  ENetPeer *peer = connect_to(host, port);
  ENetEvent event;
  char *bytes = calloc(1, size);
  double *times = calloc((size_t)count, sizeof *times);
  double *starts = calloc((size_t)in_flight, sizeof *starts); /* a ring: replies come in order */
  double start = 0;
  long sent = 0, answered = 0;
  while (answered < warmup + count) {
    for (; sent < warmup + count && sent - answered < in_flight; sent++) {
      starts[sent % in_flight] = now();
      send_bytes(peer, bytes, size, ENET_PACKET_FLAG_RELIABLE);
    }
    if (!next_event(host, &event, 5000)) fail("no answer");
    if (event.type != ENET_EVENT_TYPE_RECEIVE) fail("disconnected");
    enet_packet_destroy(event.packet);
    if (answered >= warmup) times[answered - warmup] = (now() - starts[answered % in_flight]) * 1e6;
    if (++answered == warmup) start = now();
  }
  say("seconds", now() - start);
  qsort(times, (size_t)count, sizeof *times, compare);
  say("p50", times[(long)((double)count * 0.5)]);
  say("p90", times[(long)((double)count * 0.9)]);
  say("p99", times[(long)((double)count * 0.99)]);
  say("p99.9", times[(long)((double)count * 0.999)]);
  disconnect_from(host, peer);
  enet_host_destroy(host);
  free(starts);
  free(times);
  free(bytes);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve_echo();
  } else if ((argc == 6 || argc == 7) && strcmp(argv[1], "ask") == 0) {
    ask(atoi(argv[2]), strtoul(argv[3], NULL, 10), atol(argv[4]), atol(argv[5]),
        argc == 7 ? atol(argv[6]) : 1);
  } else {
    fail("usage: bench_echo serve | ask PORT SIZE COUNT WARMUP [IN_FLIGHT]");
  }
  return EXIT_SUCCESS;
}
