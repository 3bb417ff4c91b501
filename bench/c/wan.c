/*
 * A sender and a receiver on stock ENet, for links with distance; the counterpart of bench/programs/wan.ts.
 *
 *   bench_wan receive ADDRESS SECONDS          prints `port N`, then what came in SECONDS from the first
 *                                              message on
 *   bench_wan send ADDRESS PORT SECONDS LOADS  sends for that long, then prints `requests`, `p50` and `p99`
 *                                              (ms)
 *
 * LOADS is a sum of 1 (bulk), 2 (requests) and 4 (state). Bulk: reliable messages of 16 KiB, as many as go.
 * Requests: 64 bytes, reliable, 20 a second, which are sent back. State: 64 bytes, unreliable, 60 a second.
 *
 * The receiver prints `early` (bytes of bulk in the first 2 seconds), `bytes` (all of them), `states`, `last`
 * (the highest number of a state), `age50` and `age99`: milliseconds from the sending of a state to its
 * arrival, by the clock of the machine, which both ends read. Then it takes what comes, until the sender has
 * gone.
 */
#include "common.h"

#include <sys/time.h>

#define BULK 1
#define REQUESTS 2
#define STATE 4
#define CHANNEL_BULK 0
#define CHANNEL_REQUESTS 1
#define CHANNEL_STATE 2
#define CHANNELS 3
#define BULK_BYTES (16 * 1024)
#define SMALL_BYTES 64
#define QUEUED_BYTES (128 * 1024) /* as in stream.c */
#define EARLY_SECONDS 2
#define REQUEST_SECONDS (1.0 / 20)
#define STATE_SECONDS (1.0 / 60)
#define TIMES 100000
#define LINGER_SECONDS 30 /* for which a receiver that is done still answers, at most */

/* What a small message carries, at its beginning. */
struct stamp {
  double sent_ms, number;
};

static double times[TIMES];
static size_t time_count, queued;

static double wall_ms(void) {
  struct timeval time;
  gettimeofday(&time, NULL);
  return (double)time.tv_sec * 1000 + (double)time.tv_usec / 1000;
}

static void note(double ms) {
  if (time_count < TIMES) times[time_count++] = ms;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Of the times that were noted; 0 where there are none. */
static double percentile(double percent) {
  qsort(times, time_count, sizeof(*times), compare);
  return time_count > 0 ? times[(size_t)((double)(time_count - 1) * percent / 100)] : 0;
}

static ENetAddress address_of(const char *text, int port) {
  ENetAddress address = {0, (enet_uint16)port};
  if (enet_address_set_host_ip(&address, text) < 0) fail("no such address");
  return address;
}

/* ---- The receiver ---------------------------------------------------------------------------- */

static void answer(ENetHost *host, const ENetEvent *event) {
  if (enet_peer_send(event->peer, CHANNEL_REQUESTS, event->packet) < 0) enet_packet_destroy(event->packet);
  enet_host_flush(host);
}

/* The sender goes on for a little longer than the receiver counts, and its requests count to the end. */
static void linger(ENetHost *host) {
  for (double start = now(); now() - start < LINGER_SECONDS;) {
    ENetEvent event;
    if (!next_event(host, &event, 5)) continue;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) return;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    if (event.channelID == CHANNEL_REQUESTS)
      answer(host, &event);
    else
      enet_packet_destroy(event.packet);
  }
}

static void receive(const char *where, double seconds) {
  ENetAddress address = address_of(where, 0);
  ENetHost *host = enet_host_create(&address, 4, CHANNELS, 0, 0);
  double start = 0, bytes = 0, early = 0, states = 0, last = 0;
  if (!host) fail("no server");
  say("port", host->address.port);
  while (start == 0 || now() - start < seconds) {
    ENetEvent event;
    struct stamp stamp;
    if (!next_event(host, &event, 5) || event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    if (start == 0) start = now();
    if (event.channelID == CHANNEL_REQUESTS) {
      answer(host, &event);
      continue;
    }
    if (event.channelID == CHANNEL_BULK) {
      bytes += (double)event.packet->dataLength;
      if (now() - start < EARLY_SECONDS) early = bytes;
    } else {
      memcpy(&stamp, event.packet->data, sizeof(stamp));
      note(wall_ms() - stamp.sent_ms);
      states++;
      if (stamp.number > last) last = stamp.number;
    }
    enet_packet_destroy(event.packet);
  }
  say("early", early);
  say("bytes", bytes);
  say("states", states);
  say("last", last);
  say("age50", percentile(50));
  say("age99", percentile(99));
  linger(host);
  enet_host_destroy(host);
}

/* ---- The sender ------------------------------------------------------------------------------ */

static void on_free(ENetPacket *packet) { queued -= packet->dataLength; }

static void send_bulk(ENetPeer *peer) {
  static const char bytes[BULK_BYTES];
  while (queued < QUEUED_BYTES) {
    ENetPacket *packet = enet_packet_create(bytes, sizeof(bytes), ENET_PACKET_FLAG_RELIABLE);
    if (!packet) fail("no memory");
    packet->freeCallback = on_free;
    queued += sizeof(bytes);
    if (enet_peer_send(peer, CHANNEL_BULK, packet) < 0) fail("the peer is gone");
  }
}

static void send_small(ENetPeer *peer, enet_uint8 channel, enet_uint32 flags, double number) {
  char bytes[SMALL_BYTES] = {0};
  struct stamp stamp = {wall_ms(), number};
  ENetPacket *packet;
  memcpy(bytes, &stamp, sizeof(stamp));
  packet = enet_packet_create(bytes, sizeof(bytes), flags);
  if (!packet || enet_peer_send(peer, channel, packet) < 0) fail("the peer is gone");
}

/* Takes answers, and waits a millisecond at most. */
static double service(ENetHost *host) {
  enet_uint32 condition = ENET_SOCKET_WAIT_RECEIVE;
  double answered = 0;
  ENetEvent event;
  while (next_event(host, &event, 0)) {
    struct stamp stamp;
    if (event.type == ENET_EVENT_TYPE_DISCONNECT) fail("disconnected");
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    memcpy(&stamp, event.packet->data, sizeof(stamp));
    note(wall_ms() - stamp.sent_ms);
    answered++;
    enet_packet_destroy(event.packet);
  }
  enet_socket_wait(host->socket, &condition, 1);
  return answered;
}

static void send_loads(ENetHost *host, ENetPeer *peer, double seconds, int loads) {
  double start = now(), next_request = start, next_state = start, requests = 0, states = 0, answered = 0;
  while (now() - start < seconds) {
    if (loads & BULK) send_bulk(peer);
    for (; loads & REQUESTS && next_request <= now(); next_request += REQUEST_SECONDS)
      send_small(peer, CHANNEL_REQUESTS, ENET_PACKET_FLAG_RELIABLE, ++requests);
    for (; loads & STATE && next_state <= now(); next_state += STATE_SECONDS)
      send_small(peer, CHANNEL_STATE, 0, ++states);
    answered += service(host);
  }
  say("requests", requests);
  /* Those that have no answer yet have waited for so long at least. */
  for (double number = answered; number < requests; number++)
    note((now() - start - number * REQUEST_SECONDS) * 1000);
  say("p50", percentile(50));
  say("p99", percentile(99));
}

static void send_to(const char *where, int port, double seconds, int loads) {
  ENetAddress address = address_of(where, port);
  ENetHost *host = enet_host_create(NULL, 1, CHANNELS, 0, 0);
  ENetPeer *peer = host ? enet_host_connect(host, &address, CHANNELS, 0) : NULL;
  ENetEvent event;
  if (!peer) fail("no client");
  if (!next_event(host, &event, 10000) || event.type != ENET_EVENT_TYPE_CONNECT) fail("not connected");
  send_loads(host, peer, seconds, loads);
  enet_peer_disconnect_now(peer, 0);
  enet_host_destroy(host);
}

int main(int argc, char **argv) {
  if (enet_initialize() != 0) return EXIT_FAILURE;
  if (argc == 4 && strcmp(argv[1], "receive") == 0) {
    receive(argv[2], atof(argv[3]));
  } else if (argc == 6 && strcmp(argv[1], "send") == 0) {
    send_to(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
  } else {
    fail("usage: bench_wan receive ADDRESS SECONDS | send ADDRESS PORT SECONDS LOADS");
  }
  return EXIT_SUCCESS;
}
