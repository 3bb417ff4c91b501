/*
 * A million datagrams to a server and a client that have a session: random ones, copies of real ones with
 * changes, and real ones between. Under sanitizers; `--datagrams N` and `--seed S` set how many, and which.
 * Checked: what a stranger is sent is never longer than what came; tables stay bounded; a real datagram still
 * arrives afterwards.
 */
#include "repeatable.h"
#include "stages.h"

#define STEP_NS 200000 /* between datagrams, so that there are new keys, too */

#if defined(__SANITIZE_THREAD__)
static long datagrams = 100000; /* one thread is all there is */
#else
static long datagrams = 1000000;
#endif

static struct sent handshake[4]; /* HELLO, RETRY, HELLO with a cookie, REPLY */

static size_t change(uint8_t *bytes, size_t length) {
  unsigned changes = test_random_below(&random_state, 4);
  for (unsigned i = 0; i < changes; i++)
    bytes[test_random_below(&random_state, (uint32_t)length)] ^=
        (uint8_t)(1u << test_random_below(&random_state, 8));
  if (test_random_below(&random_state, 8) == 0)
    length = test_random_below(&random_state, (uint32_t)length + 1);
  if (test_random_below(&random_state, 8) == 0) length += test_random_below(&random_state, 64);
  return length < DATAGRAM ? length : DATAGRAM;
}

static size_t draw(const struct pair *pair, uint8_t *bytes) {
  static const uint8_t types[] = {0x0F, 0x1F, 0x2F, 0x3F, 0x4F, 0x5F, 0xFF, 0x8F};
  const struct side *side = test_random_below(&random_state, 2) ? &pair->client : &pair->server;
  size_t length;
  if (test_random_below(&random_state, 3) > 0 && side->count > 0) {
    uint32_t choices = side->count < OUTBOX ? (uint32_t)side->count : OUTBOX;
    const struct sent *sent = test_random_below(&random_state, 2)
                                  ? &handshake[test_random_below(&random_state, 4)]
                                  : &side->outbox[test_random_below(&random_state, choices)];
    memcpy(bytes, sent->bytes, sent->length);
    return change(bytes, sent->length);
  }
  length = test_random_below(&random_state, 320);
  for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)test_random_u32(&random_state);
  if (length > 0) bytes[0] = types[test_random_below(&random_state, sizeof(types))];
  return length;
}

static void strike(struct pair *pair, struct side *side) {
  uint8_t bytes[DATAGRAM + 64];
  struct enetjs_endpoint from = side == &pair->client ? pair->server.address : pair->client.address;
  size_t length = draw(pair, bytes), sent = side->bytes_sent;
  if (test_random_below(&random_state, 3) == 0)
    from.port = (uint16_t)(1 + test_random_below(&random_state, 1000));
  side_take(side, &from, bytes, length);
  if (side == &pair->server) CHECK(side->bytes_sent - sent <= length);
  CHECK(side->stage->sessions.half_open <= ENETJS_HALF_OPEN_SESSIONS);
  CHECK(side->stage->sessions.count <= side->stage->sessions.room);
}

static void talk(struct pair *pair) {
  enetjs_sealed_room room;
  struct enetjs_endpoint session = enetjs_endpoint_of_ipv4(0, 0);
  size_t length = side_seal(&pair->client, &pair->session, "still here", room);
  CHECK(length > 0);
  side_send(&pair->client, &pair->server.address, room, length); /* to be changed and repeated */
  CHECK_EQ_INT(side_take(&pair->server, &pair->client.address, room, length), 10);
  session = pair->server.from;
  length = side_seal(&pair->server, &session, "and here", room);
  CHECK_EQ_INT(side_take(&pair->client, &pair->server.address, room, length), 8);
  side_send(&pair->server, &pair->client.address, room, length);
}

TEST(nothing_that_comes_breaks_a_session) {
  struct pair pair;
  const uint64_t began_ns = test_clock.ns;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  for (unsigned i = 0; i < 2; i++) {
    handshake[2 * i] = pair.client.outbox[i];
    handshake[2 * i + 1] = pair.server.outbox[i];
  }
  for (long i = 0; i < datagrams; i++) {
    test_clock.ns += STEP_NS;
    strike(&pair, i % 2 ? &pair.server : &pair.client);
    if (i % 100 == 0) talk(&pair);
  }
  talk(&pair);
  printf("# %.0f s, forged %llu, replayed %llu, malformed %llu, unknown %llu, retries %llu\n",
         (double)(test_clock.ns - began_ns) / 1e9,
         (unsigned long long)pair.server.counters[ENETJS_HOST_STAT_SECURITY_FORGED],
         (unsigned long long)pair.server.counters[ENETJS_HOST_STAT_SECURITY_REPLAYED],
         (unsigned long long)pair.server.counters[ENETJS_HOST_STAT_SECURITY_MALFORMED],
         (unsigned long long)pair.server.counters[ENETJS_HOST_STAT_SECURITY_UNKNOWN],
         (unsigned long long)pair.server.counters[ENETJS_HOST_STAT_SECURITY_RETRIES]);
  pair_end(&pair);
}

int main(int argc, char **argv) {
  static const struct test_case cases[] = {TEST_CASE(nothing_that_comes_breaks_a_session)};
  random_state = 20;
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], "--datagrams") == 0) datagrams = (long)strtod(argv[i + 1], NULL);
    if (strcmp(argv[i], "--seed") == 0) random_state = strtoull(argv[i + 1], NULL, 10);
  }
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}
