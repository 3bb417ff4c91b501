/*
 * Forged CONNECTs from random addresses of 127.0.0.0/8, and beside them honest clients.
 *
 *   bench_flood PORT PER_SECOND SECONDS CLIENTS DELAY_MS
 *   bench_flood PORT PER_SECOND SECONDS
 *
 * Without CLIENTS, what is forged are HELLOs of encrypted connections. Each of CLIENTS goes on connecting
 * through a relay of its own, which delays what it passes on by DELAY_MS in both directions, and
 * disconnects; one that is not connected after GIVE_UP seconds counts as that. The relay gives each
 * connection a port of its own. What the server answers to forged addresses is dropped by the system.
 * Prints `forged`; with clients also `connected`, `failed`, and the times `p50`, `p99` and `most` in
 * milliseconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common.h"

#define MOST_PER_SECOND 1000000
#define MOST_SECONDS 60
#define MOST_CLIENTS 64
#define MOST_SAMPLES 100000
#define GIVE_UP 10.0
#define KEPT 64 /* datagrams under way in one direction */
#define AT_ONCE 64
#define DATAGRAM 1400

struct kept {
  double due;
  size_t length;
  unsigned char bytes[DATAGRAM];
};

struct client {
  int front, back; /* of its relay */
  struct sockaddr_in address;
  struct kept kept[2][KEPT];
  unsigned head[2], tail[2];
  ENetHost *host;
  ENetPeer *peer;
  double began;
};

static struct sockaddr_in server;
static bool hellos;
static double delay, samples[MOST_SAMPLES];
static size_t sample_count, failed;

static int open_socket(struct sockaddr_in *address) {
  socklen_t length = sizeof(*address);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  memset(address, 0, sizeof(*address));
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0) fail("no socket");
  if (getsockname(fd, (struct sockaddr *)address, &length) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
    fail("no socket");
  return fd;
}

/* ---- Honest clients -------------------------------------------------------------------------- */

static void begin(struct client *c) {
  struct sockaddr_in front;
  ENetAddress address;
  memset(c, 0, sizeof(*c));
  c->front = open_socket(&front);
  c->back = open_socket(&c->address);
  c->host = open_client(1);
  address = loopback(ntohs(front.sin_port));
  c->peer = enet_host_connect(c->host, &address, 2, 0);
  if (!c->peer) fail("no peer");
  c->began = now();
}

static void end(struct client *c) {
  enet_peer_disconnect_now(c->peer, 0);
  enet_host_destroy(c->host);
  close(c->front);
  close(c->back);
}

static void relay(struct client *c, int direction, double delay) {
  int from = direction ? c->back : c->front, to = direction ? c->front : c->back;
  for (;;) {
    struct kept *kept = &c->kept[direction][c->head[direction] % KEPT];
    struct sockaddr_in source;
    socklen_t length = sizeof(source);
    ssize_t got;
    if (c->head[direction] - c->tail[direction] == KEPT) break;
    got = recvfrom(from, kept->bytes, sizeof(kept->bytes), 0, (struct sockaddr *)&source, &length);
    if (got < 0) break;
    if (!direction) c->address = source;
    kept->length = (size_t)got;
    kept->due = now() + delay;
    c->head[direction]++;
  }
  for (; c->tail[direction] != c->head[direction]; c->tail[direction]++) {
    struct kept *kept = &c->kept[direction][c->tail[direction] % KEPT];
    const struct sockaddr_in *target = direction ? &c->address : &server;
    if (kept->due > now()) break;
    sendto(to, kept->bytes, kept->length, 0, (const struct sockaddr *)target, sizeof(*target));
  }
}

static void note(double seconds) {
  if (sample_count < MOST_SAMPLES) samples[sample_count++] = seconds;
}

static void attend(struct client *c) {
  ENetEvent event;
  double passed = now() - c->began;
  relay(c, 0, delay);
  relay(c, 1, delay);
  if (enet_host_service(c->host, &event, 0) > 0 && event.type == ENET_EVENT_TYPE_CONNECT) {
    note(passed);
    enet_host_flush(c->host);
    enet_peer_disconnect_now(c->peer, 0);
    relay(c, 0, 0); /* both of which are passed on before the relay ends */
  } else if (passed < GIVE_UP) {
    return;
  } else {
    failed++;
    note(passed);
  }
  end(c);
  begin(c);
}

/* ---- The flood ------------------------------------------------------------------------------- */

static unsigned next_random(void) {
  static unsigned long long state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33);
}

struct connect {
  ENetProtocolHeader header;
  ENetProtocolConnect connect;
} __attribute__((packed));

#define HELLO_BYTES 256

union forged {
  struct connect connect;
  unsigned char hello[HELLO_BYTES];
};

union control {
  char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
  struct cmsghdr header;
};

static void forge_connect(struct connect *f) {
  memset(f, 0, sizeof(*f));
  f->header.peerID = htons(ENET_PROTOCOL_MAXIMUM_PEER_ID | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME);
  f->connect.header.command = ENET_PROTOCOL_COMMAND_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  f->connect.header.channelID = 0xFF;
  f->connect.header.reliableSequenceNumber = htons(1);
  f->connect.incomingSessionID = f->connect.outgoingSessionID = 0xFF;
  f->connect.mtu = htonl(ENET_HOST_DEFAULT_MTU);
  f->connect.windowSize = htonl(ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE);
  f->connect.channelCount = htonl(2);
  f->connect.connectID = next_random();
}

/* As docs/security-protocol.md has it, without a cookie; nobody knows yet that the rest is random. */
static void forge_hello(unsigned char *hello) {
  memset(hello, 0, HELLO_BYTES);
  hello[0] = 0x0F;
  hello[1] = 1;
  for (size_t i = 24; i < HELLO_BYTES; i += 4) {
    unsigned number = next_random();
    memcpy(hello + i, &number, 4);
  }
}

/* @returns the length */
static size_t forge(union forged *f) {
  if (!hellos) {
    forge_connect(&f->connect);
    return sizeof(f->connect);
  }
  forge_hello(f->hello);
  return sizeof(f->hello);
}

static void set_source(struct msghdr *message, union control *control) {
  struct in_pktinfo info = {0};
  info.ipi_spec_dst.s_addr = htonl(0x7F000000u | (next_random() & 0xFFFFFF));
  message->msg_control = control;
  message->msg_controllen = sizeof(*control);
  control->header.cmsg_level = IPPROTO_IP;
  control->header.cmsg_type = IP_PKTINFO;
  control->header.cmsg_len = CMSG_LEN(sizeof(info));
  memcpy(CMSG_DATA(&control->header), &info, sizeof(info));
}

static size_t flood(int fd, size_t count) {
  static union forged forged[AT_ONCE];
  static union control control[AT_ONCE];
  static struct mmsghdr messages[AT_ONCE];
  static struct iovec vectors[AT_ONCE];
  int sent;
  if (count > AT_ONCE) count = AT_ONCE;
  for (size_t i = 0; i < count; i++) {
    vectors[i] = (struct iovec){&forged[i], forge(&forged[i])};
    memset(&messages[i], 0, sizeof(messages[i]));
    messages[i].msg_hdr.msg_name = &server;
    messages[i].msg_hdr.msg_namelen = sizeof(server);
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    set_source(&messages[i].msg_hdr, &control[i]);
  }
  sent = sendmmsg(fd, messages, (unsigned)count, 0);
  return sent > 0 ? (size_t)sent : 0;
}

static int open_flood(void) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_DGRAM, 0), least = 1;
  if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0) fail("no socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
  return fd;
}

/* ---- All together ---------------------------------------------------------------------------- */

static size_t run(double per_second, double seconds, struct client *clients, size_t count) {
  int fd = open_flood();
  double start = now(), passed;
  size_t forged = 0;
  while ((passed = now() - start) < seconds) {
    size_t owed = (size_t)(per_second * passed) - forged;
    if (owed > 0) forged += flood(fd, owed);
    for (size_t i = 0; i < count; i++) attend(&clients[i]);
    if (owed <= AT_ONCE) usleep(200);
  }
  close(fd);
  return forged;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report(size_t forged) {
  say("forged", (double)forged);
  if (hellos) return;
  if (sample_count == 0) fail("no client has connected");
  qsort(samples, sample_count, sizeof(samples[0]), compare);
  say("connected", (double)(sample_count - failed));
  say("failed", (double)failed);
  say("p50", samples[sample_count / 2] * 1e3);
  say("p99", samples[sample_count * 99 / 100] * 1e3);
  say("most", samples[sample_count - 1] * 1e3);
}

int main(int argc, char **argv) {
  static struct client clients[MOST_CLIENTS];
  long per_second, seconds, count;
  if (argc != 4 && argc != 6) fail("usage: bench_flood PORT PER_SECOND SECONDS [CLIENTS DELAY_MS]");
  hellos = argc == 4;
  per_second = atol(argv[2]);
  seconds = atol(argv[3]);
  count = hellos ? 0 : atol(argv[4]);
  if (per_second < 0 || per_second > MOST_PER_SECOND || seconds < 1 || seconds > MOST_SECONDS ||
      (count < 1 && !hellos) || count > MOST_CLIENTS)
    fail("out of bounds");
  if (enet_initialize() != 0) return EXIT_FAILURE;
  server.sin_family = AF_INET;
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.sin_port = htons((unsigned short)atoi(argv[1]));
  if (!hellos) delay = atof(argv[5]) / 1e3;
  for (long i = 0; i < count; i++) begin(&clients[i]);
  report(run((double)per_second, (double)seconds, clients, (size_t)count));
  for (long i = 0; i < count; i++) end(&clients[i]);
  return EXIT_SUCCESS;
}
