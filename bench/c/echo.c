/*
 * Round trips of one message at a time, both ends blocking.
 *
 *   bench_echo serve                        prints `port N`, sends everything back
 *   bench_echo ask PORT SIZE COUNT WARMUP   prints percentiles of the round trip in microseconds
 */
#include "common.h"

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void ask(int port, size_t size, long count, long warmup) {
  ENetHost *host = open_client(1);
  ENetPeer *peer = connect_to(host, port);
  ENetEvent event;
  char *bytes = calloc(1, size);
  double *times = calloc((size_t)count, sizeof *times);
  for (long i = -warmup; i < count; i++) {
    double start = now();
    send_bytes(peer, bytes, size, ENET_PACKET_FLAG_RELIABLE);
    enet_host_flush(host);
    do {
      if (!next_event(host, &event, 5000)) fail("no answer");
    } while (event.type != ENET_EVENT_TYPE_RECEIVE);
    enet_packet_destroy(event.packet);
    if (i >= 0) times[i] = (now() - start) * 1e6;
  }
  qsort(times, (size_t)count, sizeof *times, compare);
  say("p50", times[(long)((double)count * 0.5)]);
  say("p90", times[(long)((double)count * 0.9)]);
  say("p99", times[(long)((double)count * 0.99)]);
  say("p99.9", times[(long)((double)count * 0.999)]);
  disconnect_from(host, peer);
  enet_host_destroy(host);
  free(times);
  free(bytes);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve_echo(1);
  } else if (argc == 6 && strcmp(argv[1], "ask") == 0) {
    ask(atoi(argv[2]), strtoul(argv[3], NULL, 10), atol(argv[4]), atol(argv[5]));
  } else {
    fail("usage: bench_echo serve | ask PORT SIZE COUNT WARMUP");
  }
  return EXIT_SUCCESS;
}
