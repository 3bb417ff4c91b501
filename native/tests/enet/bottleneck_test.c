/*
 * Bulk transfers over a link with a delay, a rate and a queue: their throughput, what they leave to other
 * flows, and how long a request waits beside them. Receivers are plain ENet; senders are this library, or
 * plain ENet. The clock is that of link.h, so nothing depends on how busy the machine is. bench/wan.ts
 * measures the same with the runtimes.
 */
#include "../ages.h"
#include "../link.h"

enum {
  FLOWS = 2,
  QUEUE_MS = 100,
  HEADERS = 28, /* of UDP and IP */
  MESSAGE_BYTES = 16 * 1024,
  PLAIN_QUEUE = 128 * 1024, /* that plain ENet is given ahead */
  REQUEST_BYTES = 64,
  REQUEST_MS = 50
};

struct flow {
  bool is_plain, begun;
  struct linked ends; /* the client sends, */
  struct plain plain; /* or this in its place */
  size_t queued;      /* by it */
  double bytes;       /* that have arrived */
  struct ages *answers;
};

/* All flows share it. */
struct bottleneck {
  double rate, idle_ms; /* bytes a millisecond; when all that has entered is carried */
  enet_uint32 latency;
  unsigned loss; /* of a thousand, in each direction */
  unsigned count;
  struct flow flows[FLOWS];
};

/*
 * What goes to receivers waits in one queue, and is lost where it does not fit. What comes back waits for
 * nothing.
 */
static uint32_t carry(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  struct bottleneck *b = l->context;
  double start = fmax(b->idle_ms, l->now);
  (void)bytes;
  if (!to_client) {
    if (start - l->now > QUEUE_MS) return LINK_LOST;
    b->idle_ms = start + (double)(length + HEADERS) / b->rate;
    l->latency[0] = b->latency + (enet_uint32)(b->idle_ms - l->now);
  }
  return link_chance(l, b->loss) ? LINK_LOST : 0;
}

/* ---- Flows ----------------------------------------------------------------------------------- */

static void ENET_CALLBACK count_sent(ENetPacket *packet) {
  *(size_t *)packet->userData -= packet->dataLength;
}

static void pour(struct flow *f) {
  static const uint8_t message[MESSAGE_BYTES];
  if (!f->is_plain) {
    while (!host_of(&f->ends.client)->slots[0].above_high_water)
      CHECK(enetjs_peer_send_buffer(f->ends.client.host, f->ends.peer, 0, 1, message, sizeof(message), 0) >=
            0);
    return;
  }
  while (f->queued < PLAIN_QUEUE) {
    ENetPacket *packet = enet_packet_create(message, sizeof(message), ENET_PACKET_FLAG_RELIABLE);
    CHECK(packet != NULL);
    packet->userData = &f->queued;
    packet->freeCallback = count_sent;
    f->queued += sizeof(message);
    CHECK_EQ_INT(enet_peer_send(f->plain.peer, 0, packet), 0);
  }
}

static void on_packet(struct plain *p, const ENetPacket *packet) {
  struct flow *f = p->context;
  f->bytes += (double)packet->dataLength;
  if (packet->dataLength == REQUEST_BYTES)
    plain_send(p, 1, ENET_PACKET_FLAG_RELIABLE, packet->data, REQUEST_BYTES);
}

static void on_answer(struct consumer *c, const struct record *r) {
  if (r->type == ENETJS_EVENT_RECEIVE) ages_note(((struct flow *)c->context)->answers, r->payload);
}

static void ask(struct flow *f) {
  uint8_t bytes[REQUEST_BYTES] = {0};
  memcpy(bytes, &f->ends.link.now, sizeof(f->ends.link.now));
  CHECK(enetjs_peer_send_buffer(f->ends.client.host, f->ends.peer, 1, 1, bytes, sizeof(bytes), 0) >= 0);
}

static void poll_ends(struct flow *f) {
  if (f->is_plain)
    plain_poll(&f->plain);
  else
    consumer_poll(&f->ends.client);
  plain_poll(&f->ends.server);
}

/* A millisecond. */
static void step(struct bottleneck *b) {
  for (unsigned i = 0; i < b->count; i++) {
    struct flow *f = &b->flows[i];
    if (f->begun) pour(f);
    if (f->answers && f->ends.link.now % REQUEST_MS == 0) ask(f);
    poll_ends(f);
    for (unsigned k = 0; k < 2; k++) link_enter(&f->ends.link, k);
  }
  link_tick();
  for (unsigned i = 0; i < b->count; i++)
    for (unsigned k = 0; k < 2; k++) link_leave(&b->flows[i].ends.link, k);
}

static void run(struct bottleneck *b, unsigned ms) {
  for (unsigned i = 0; i < ms; i++) step(b);
}

/* ---- A link with flows ----------------------------------------------------------------------- */

static struct bottleneck *open_bottleneck(double mbit, enet_uint32 rtt_ms, unsigned loss_percent) {
  static struct bottleneck b;
  memset(&b, 0, sizeof(b));
  b.rate = mbit * 1e3 / 8;
  b.latency = rtt_ms / 2;
  b.loss = loss_percent * 10;
  return &b;
}

static void connect_plain(struct flow *f, enet_uint32 latency) {
  ENetAddress address = {.host = ENET_HOST_TO_NET_32(LOOPBACK)};
  plain_open(&f->ends.server);
  link_open(&f->ends.link, f->ends.server.host->address.port, latency, 0);
  f->plain.host = enet_host_create(NULL, 1, 2, 0, 0);
  CHECK(f->plain.host != NULL);
  address.port = f->ends.link.front_port;
  CHECK(enet_host_connect(f->plain.host, &address, 2, 0) != NULL);
  UNTIL(f->plain.peer && f->ends.server.peer, {
    poll_ends(f);
    link_step(&f->ends.link);
  });
}

/* Adds a connection, on which nothing is sent yet. */
static struct flow *add_flow(struct bottleneck *b, bool is_plain) {
  struct flow *f = &b->flows[b->count++];
  f->is_plain = is_plain;
  if (is_plain) {
    connect_plain(f, b->latency);
  } else {
    consumer_start(&f->ends.client);
    linked_open(&f->ends, b->latency, 0);
    f->ends.client.on_event = on_answer;
    f->ends.client.context = f;
  }
  f->ends.server.on_packet = on_packet;
  f->ends.server.context = f;
  f->ends.link.fate = carry;
  f->ends.link.context = b;
  f->ends.link.random = b->count;
  enet_socket_set_option(f->ends.link.front, ENET_SOCKOPT_RCVBUF, 1 << 20);
  return f;
}

static void close_bottleneck(struct bottleneck *b) {
  for (unsigned i = 0; i < b->count; i++) {
    struct flow *f = &b->flows[i];
    if (f->is_plain)
      enet_host_destroy(f->plain.host);
    else
      consumer_close(&f->ends.client);
    enet_host_destroy(f->ends.server.host);
    link_close(&f->ends.link);
  }
  check_nothing_left();
}

/* Runs for some time. @returns megabytes a second of the first flow; the second one's in `other` */
static double measure(struct bottleneck *b, unsigned ms, double *other) {
  double before[FLOWS];
  for (unsigned i = 0; i < b->count; i++) before[i] = b->flows[i].bytes;
  run(b, ms);
  if (other) *other = (b->flows[1].bytes - before[1]) / 1e3 / ms;
  return (b->flows[0].bytes - before[0]) / 1e3 / ms;
}

/* ---- Bulk by itself -------------------------------------------------------------------------- */

/* Plain ENet's window is the same from the beginning. */
static double alone(bool is_plain, double mbit, enet_uint32 rtt_ms, unsigned loss_percent) {
  struct bottleneck *b = open_bottleneck(mbit, rtt_ms, loss_percent);
  double got;
  add_flow(b, is_plain)->begun = true;
  run(b, is_plain ? 500 : 2000);
  got = measure(b, 1000, NULL);
  close_bottleneck(b);
  return got;
}

static double times_plain(double mbit, enet_uint32 rtt_ms, unsigned loss_percent) {
  double plain = alone(true, mbit, rtt_ms, loss_percent), ours = alone(false, mbit, rtt_ms, loss_percent);
  printf("# %g Mbit/s, %u ms, %u %% loss: %.2f MB/s, plain ENet %.2f\n", mbit, (unsigned)rtt_ms, loss_percent,
         ours, plain);
  return ours / plain;
}

TEST(bulk_fills_a_link_with_distance) {
  CHECK(times_plain(100, 50, 0) >= 8);
  CHECK(times_plain(100, 50, 1) >= 3);
  CHECK(times_plain(100, 150, 0) >= 8);
}

/* ENet's window is several times what such a link and its queue hold: most of it would be lost. */
static void check_slow(double mbit, enet_uint32 rtt_ms) {
  struct bottleneck *b = open_bottleneck(mbit, rtt_ms, 0);
  struct flow *f = add_flow(b, false);
  unsigned lost;
  double got;
  f->begun = true;
  run(b, 4000);
  lost = f->ends.link.lost[0];
  got = measure(b, 6000, NULL);
  lost = f->ends.link.lost[0] - lost;
  printf("# %g Mbit/s, %u ms: %.3f MB/s, %u lost\n", mbit, (unsigned)rtt_ms, got, lost);
  CHECK(got >= 0.85 * mbit / 8);
  CHECK(lost < 10);
  close_bottleneck(b);
}

TEST(bulk_passes_a_very_slow_link) {
  check_slow(1, 50);
  check_slow(2, 30);
}

/* ---- Two flows ------------------------------------------------------------------------------- */

/* @returns what the second flow gets of both, from 2 s after it has begun on */
static double share_of_second(unsigned lead_ms) {
  struct bottleneck *b = open_bottleneck(20, 50, 0);
  double one, other;
  for (unsigned i = 0; i < 2; i++) add_flow(b, false);
  b->flows[0].begun = true;
  run(b, lead_ms);
  b->flows[1].begun = true;
  run(b, 2000);
  one = measure(b, 6000, &other);
  printf("# second begins after %u ms: %.2f and %.2f MB/s\n", lead_ms, one, other);
  close_bottleneck(b);
  return other / (one + other);
}

/* On ENet 1.3.18, a flow that has begun first keeps somewhat more. */
TEST(two_flows_share_a_link) {
  static const unsigned lead_ms[] = {0, 500, 3000};
  const double least = ENET_VERSION < ENET_VERSION_CREATE(1, 3, 18) ? 0.4 : 0.35;
  for (unsigned i = 0; i < 3; i++) {
    double share = share_of_second(lead_ms[i]);
    CHECK(share >= least && share <= 1 - least);
  }
}

/* @returns what plain ENet gets beside a flow of this library */
static double beside(double mbit, enet_uint32 rtt_ms) {
  struct bottleneck *b = open_bottleneck(mbit, rtt_ms, 0);
  double ours, plain;
  add_flow(b, false)->begun = true;
  add_flow(b, true)->begun = true;
  run(b, 2000);
  ours = measure(b, 2000, &plain);
  printf("# %g Mbit/s, %u ms: plain ENet %.2f MB/s beside %.2f\n", mbit, (unsigned)rtt_ms, plain, ours);
  close_bottleneck(b);
  return plain;
}

/* Both begin at once. Its throttle remembers for ten seconds what queue their first windows make. */
static void check_beside(double mbit, enet_uint32 rtt_ms) {
  double by_itself = alone(true, mbit, rtt_ms, 0);
  printf("# by itself %.2f\n", by_itself);
  CHECK(beside(mbit, rtt_ms) >= fmin(0.8 * by_itself, 0.4 * mbit / 8));
}

TEST(plain_enet_keeps_its_share_beside_it) {
  check_beside(100, 50);
  check_beside(20, 50);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void check_requests(double mbit, enet_uint32 rtt_ms) {
  static struct ages answers;
  struct bottleneck *b = open_bottleneck(mbit, rtt_ms, 0);
  struct flow *f = add_flow(b, false);
  answers = (struct ages){.now = &f->ends.link.now};
  f->begun = true;
  run(b, 3000);
  f->answers = &answers;
  run(b, 5000);
  printf("# %g Mbit/s, %u ms: answers after %d ms, p99 %d\n", mbit, (unsigned)rtt_ms,
         ages_percentile(&answers, 500), ages_percentile(&answers, 990));
  CHECK(ages_percentile(&answers, 500) <= (int)rtt_ms + 10);
  CHECK(ages_percentile(&answers, 990) <= 2 * (int)rtt_ms + 20);
  close_bottleneck(b);
}

TEST(requests_are_not_stuck_behind_bulk) {
  check_requests(20, 50);
  check_requests(20, 10);
  check_requests(20, 150);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(requests_are_not_stuck_behind_bulk),
      TEST_CASE(bulk_fills_a_link_with_distance),
      TEST_CASE(bulk_passes_a_very_slow_link),
      TEST_CASE(two_flows_share_a_link),
      TEST_CASE(plain_enet_keeps_its_share_beside_it),
  };
  size_t count = TEST_COUNT(cases);
  if (SLOW > 1) count = 1; /* the others would find no more with sanitizers, and take long */
  return test_run(cases, count);
}
