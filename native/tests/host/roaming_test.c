/*
 * Encrypted connections whose client's NAT gives it another port again and again: what the client gets
 * meanwhile, and how soon. Both ends are hosts of this library, over a link with a clock of its own.
 */
#include "../link.h"

#if defined(__linux__)

#include "wire/security/security_state.h"

enum { LATENCY_MS = 25, ROUND_TRIP_MS = 2 * LATENCY_MS, TICK_MS = 10, SECONDS = 60 / SLOW };

struct roaming {
  struct consumer client, server;
  struct link link;
  double peer; /* the client's */
  ENetSocket left[SECONDS];
  unsigned moves;
  unsigned arrives_in; /* ms until the first datagram from the new port is at the server; 0: it has been */
  uint32_t asked, answered;   /* messages of the client, and their echoes */
  enet_uint32 heard, silence; /* when the last echo came; the longest time between two */
};

static void echo(struct consumer *c, const struct record *r) {
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK_EQ_INT(
      enetjs_peer_send_buffer(c->host, c->peer, 0, ENET_PACKET_FLAG_RELIABLE, r->payload, r->length, 0), 0);
}

static void note_echo(struct consumer *c, const struct record *r) {
  struct roaming *roaming = c->context;
  uint32_t number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, roaming->answered++);
  if (enet_time_get() - roaming->heard > roaming->silence)
    roaming->silence = enet_time_get() - roaming->heard;
  roaming->heard = enet_time_get();
}

static void change_port(struct roaming *r) {
  uint16_t port;
  r->left[r->moves++] = r->link.back; /* where the server's datagrams wait for nobody */
  r->link.back = socket_open(&port);
}

static void step(struct roaming *r) {
  poll_both(&r->client, &r->server);
  link_step(&r->link);
  if (r->arrives_in > 0 && --r->arrives_in == 0) change_port(r);
}

/* The NAT has forgotten the port that the server sends to. */
static uint32_t fate(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  const struct roaming *r = l->context;
  (void)bytes, (void)length;
  return to_client && r->arrives_in > 0 ? LINK_LOST : 0;
}

static void roaming_open(struct roaming *r) {
  uint8_t server[ENETJS_SECURITY_SERVER_ISSUERS] = {ENETJS_SECURITY_REQUIRED};
  uint8_t attempt[ENETJS_SECURITY_ATTEMPT_TOKEN] = {0};
  struct enetjs_key_pair keys;
  memset(r, 0, sizeof(*r));
  CHECK(enetjs_sodium() != NULL);
  memset(keys.secret, 7, sizeof(keys.secret));
  enetjs_key_pair_of(&keys, keys.secret);
  memcpy(server + ENETJS_SECURITY_PAIR_AT, &keys, sizeof(keys));
  memcpy(attempt + ENETJS_SECURITY_ATTEMPT_SERVER_KEY, keys.public, ENETJS_KEY_BYTES);
  server_open(&r->server);
  client_open(&r->client);
  CHECK_EQ_INT(enetjs_host_set_security(r->server.host, server, sizeof(server)), 0);
  link_open(&r->link, port_of(&r->server), LATENCY_MS, 5);
  r->peer = enetjs_host_connect_secured(r->client.host, LOOPBACK, r->link.front_port, 2, 0, attempt,
                                        sizeof(attempt));
  CHECK(r->peer > 0);
  UNTIL(r->client.connects > 0 && r->server.connects > 0, step(r));
  r->link.fate = fate;
  r->link.context = r;
  r->server.on_event = echo;
  r->client.on_event = note_echo;
  r->client.context = r;
  r->heard = enet_time_get();
}

/* The client's NAT has another port for it: what is under way to the old one is lost, too. */
static void rebind(struct roaming *r) {
  while (r->link.held[1].first) free(link_take(&r->link.held[1]));
  r->arrives_in = LATENCY_MS;
}

static void ask(struct roaming *r) {
  CHECK_EQ_INT(enetjs_peer_send_buffer(r->client.host, r->peer, 0, ENET_PACKET_FLAG_RELIABLE,
                                       (uint8_t *)&r->asked, sizeof(r->asked), 0),
               0);
  r->asked++;
}

static void roaming_close(struct roaming *r) {
  consumer_close(&r->client);
  consumer_close(&r->server);
  for (unsigned i = 0; i < r->moves; i++) enet_socket_destroy(r->left[i]);
  link_close(&r->link);
  check_nothing_left();
}

TEST(a_new_port_each_second_costs_two_round_trips) {
  static struct roaming r;
  roaming_open(&r);
  for (unsigned ms = 1; ms < SECONDS * 1000; ms++) {
    if (ms % TICK_MS == 0) ask(&r);
    if (ms % 1000 == 500) rebind(&r);
    step(&r);
  }
  for (unsigned ms = 0; ms < 4 * ROUND_TRIP_MS; ms++) step(&r);
  printf("# %u moves, %u messages, longest silence %u ms\n", r.moves, r.asked, r.silence);
  CHECK_EQ_INT(r.answered, r.asked);
  CHECK_EQ_INT(r.moves, SECONDS);
  CHECK_EQ_INT(statistic(&r.server, ENETJS_HOST_STAT_SECURITY_MOVED), r.moves);
  CHECK(r.silence <= 2 * ROUND_TRIP_MS + TICK_MS + 2);
  roaming_close(&r);
}

int main(void) {
  static const struct test_case cases[] = {TEST_CASE(a_new_port_each_second_costs_two_round_trips)};
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}

#else

int main(void) { return test_skip("the link is between sockets of Linux"); }

#endif
