/* The outbox: messages that the consumer has written to shared memory, valid ones and others. */
#include "../consumer.h"

#define HEADER_WORDS (ENETJS_OUTBOX_HEADER_BYTES / 4)

struct peers {
  struct consumer server, client;
  double peer;
};

static void peers_open(struct peers *p) {
  server_open(&p->server);
  client_open(&p->client);
  p->peer = connect_pair_of(&p->client, &p->server);
}

static void peers_close(struct peers *p) {
  consumer_close(&p->client);
  consumer_close(&p->server);
}

static uint32_t filled(const struct consumer *c) { return c->words[ENETJS_WORD_OUTBOX_FILLED]; }

/** Puts a message behind those that are there, with its numbers as they are given. */
static void put(struct consumer *c, double peer, uint32_t kind, uint32_t length, const void *data,
                size_t bytes) {
  uint32_t header[HEADER_WORDS], at = filled(c);
  uint8_t *outbox = c->block + c->words[ENETJS_WORD_SCRATCH_OFFSET];
  header[0] = (uint32_t)fmod(peer, ENETJS_PEER_SLOTS);
  header[1] = (uint32_t)(peer / ENETJS_PEER_SLOTS);
  header[2] = kind;
  header[3] = length;
  memcpy(outbox + at, header, sizeof(header));
  if (bytes > 0) memcpy(outbox + at + sizeof(header), data, bytes);
  c->words[ENETJS_WORD_OUTBOX_FILLED] = at + (uint32_t)(sizeof(header) + ((bytes + 3) & ~(size_t)3));
}

static void put_number(struct consumer *c, double peer, uint32_t number) {
  put(c, peer, ENET_PACKET_FLAG_RELIABLE << 8, sizeof(number), &number, sizeof(number));
}

/** The next number, and that it comes as a message of its own length on its own channel. */
static void expect_numbers(struct consumer *c, const struct record *r) {
  uint32_t *next = c->context, number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK_EQ_INT(r->length, sizeof(number));
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, *next);
  ++*next;
}

static void expect_count(struct peers *p, uint32_t *next, uint32_t count) {
  UNTIL(*next == count, poll_both(&p->client, &p->server));
}

TEST(messages_of_the_outbox_keep_their_place_among_the_others) {
  struct peers p;
  uint32_t next = 0, number = 0;
  peers_open(&p);
  p.server.context = &next;
  p.server.on_event = expect_numbers;
  for (int turn = 0; turn < 50; turn++) {
    for (int i = 0; i < 20; i++) put_number(&p.client, p.peer, number++);
    CHECK(enetjs_peer_send_buffer(p.client.host, p.peer, 0, 1, (uint8_t *)&number, sizeof(number), 0) >= 0);
    number++;
    CHECK_EQ_INT(filled(&p.client), 0);
    put_number(&p.client, p.peer, number++);
    CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
    CHECK_EQ_INT(filled(&p.client), 0);
  }
  expect_count(&p, &next, number);
  peers_close(&p);
}

TEST(what_is_in_the_outbox_counts_as_queued) {
  struct peers p;
  peers_open(&p);
  for (uint32_t i = 0; i < 10; i++) put_number(&p.client, p.peer, i);
  CHECK_EQ_INT(peer_statistic(&p.client, p.peer, ENETJS_PEER_STAT_QUEUED_MESSAGES), 10);
  CHECK_EQ_INT(p.client.words[ENETJS_WORD_QUEUED_BYTES], 40);
  peers_close(&p);
}

TEST(messages_that_cannot_be_sent_are_lost_alone) {
  struct peers p;
  uint32_t next = 0;
  const uint32_t reliable = ENET_PACKET_FLAG_RELIABLE << 8;
  peers_open(&p);
  p.server.context = &next;
  p.server.on_event = expect_numbers;
  CHECK_EQ_INT(enetjs_host_set(p.client.host, ENETJS_CONFIG_MAXIMUM_PACKET_SIZE, 4, 0), 0);
  put_number(&p.client, p.peer, 0);
  /* than a packet may be */
  put(&p.client, p.peer, reliable, 5, "large", 5);
  /* another connection */
  put(&p.client, p.peer + ENETJS_PEER_SLOTS, reliable, 4, "late", 4);
  put(&p.client, p.peer + 1, reliable, 4, "none", 4);                                  /* a free slot */
  put(&p.client, ENETJS_PEER_SLOTS + ENETJS_PEER_SLOTS - 1.0, reliable, 4, "away", 4); /* no slot */
  put_number(&p.client, p.peer, 1);
  put(&p.client, p.peer, reliable | 200, 4, "chan", 4); /* no such channel */
  put_number(&p.client, p.peer, 2);
  CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
  expect_count(&p, &next, 3);
  peers_close(&p);
}

TEST(numbers_that_point_outside_are_not_followed) {
  static const uint32_t lengths[] = {5, 1000, 0x7FFFFFFF, UINT32_MAX - 2, UINT32_MAX};
  struct peers p;
  uint32_t next = 0, number = 0;
  peers_open(&p);
  p.server.context = &next;
  p.server.on_event = expect_numbers;
  for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
    put_number(&p.client, p.peer, number++);
    put(&p.client, p.peer, ENET_PACKET_FLAG_RELIABLE << 8, lengths[i], "four", 4);
    CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
    CHECK_EQ_INT(filled(&p.client), 0);
  }
  for (uint32_t size = 1; size < ENETJS_OUTBOX_HEADER_BYTES; size++) {
    p.client.words[ENETJS_WORD_OUTBOX_FILLED] = size;
    CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
    CHECK_EQ_INT(filled(&p.client), 0);
  }
  p.client.words[ENETJS_WORD_OUTBOX_FILLED] = UINT32_MAX;
  CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
  CHECK_EQ_INT(filled(&p.client), 0);
  p.client.words[ENETJS_WORD_OUTBOX_FILLED] = (uint32_t)p.client.block_bytes;
  CHECK_EQ_INT(enetjs_host_push(p.client.host), 0);
  expect_count(&p, &next, number);
  canaries_check(&p.client);
  peers_close(&p);
}

TEST(messages_leave_before_the_connection_ends) {
  struct peers p;
  uint32_t next = 0;
  peers_open(&p);
  p.server.context = &next;
  p.server.on_event = expect_numbers;
  for (uint32_t i = 0; i < 30; i++) put_number(&p.client, p.peer, i);
  CHECK_EQ_INT(enetjs_peer_disconnect(p.client.host, p.peer, 0, ENETJS_DISCONNECT_LATER), 0);
  put_number(&p.client, p.peer, 99); /* too late */
  UNTIL(p.server.disconnects == 1, poll_both(&p.client, &p.server));
  CHECK_EQ_INT(next, 30);
  peers_close(&p);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(messages_of_the_outbox_keep_their_place_among_the_others),
      TEST_CASE(what_is_in_the_outbox_counts_as_queued),
      TEST_CASE(messages_that_cannot_be_sent_are_lost_alone),
      TEST_CASE(numbers_that_point_outside_are_not_followed),
      TEST_CASE(messages_leave_before_the_connection_ends),
  };
  return test_run(cases, TEST_COUNT(cases));
}
