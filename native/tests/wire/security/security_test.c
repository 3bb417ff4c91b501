/*
 * Two security stages: handshakes, datagrams of sessions, and what becomes of every datagram that is not as
 * it was sent.
 */
#include "base/clock.h"
#include "stages.h"
#include "wire/security/bytes.h"
#include "wire/security/sodium.h"

static uint64_t counter(const struct side *side, size_t statistic) { return side->counters[statistic]; }

static void connects(struct pair *pair) {
  enetjs_sealed_room room;
  size_t length;
  CHECK_EQ_INT(pair_connect(pair), strlen("CONNECT"));
  CHECK(memcmp(pair->server.received, "CONNECT", 7) == 0);
  CHECK(enetjs_endpoint_is_session(&pair->server.from));
  CHECK_EQ_INT(counter(&pair->server, ENETJS_HOST_STAT_SECURITY_HANDSHAKES), 1);
  length = side_seal(&pair->server, &pair->server.from, "hello", room);
  CHECK_EQ_INT(length, 5 + ENETJS_SESSION_OVERHEAD);
  CHECK_EQ_INT(side_take(&pair->client, &pair->server.address, room, length), 5);
  CHECK(memcmp(pair->client.received, "hello", 5) == 0);
  CHECK(enetjs_endpoint_same(&pair->client.from, &pair->session));
}

TEST(a_client_with_the_servers_key_connects) {
  struct pair pair;
  struct enetjs_security_facts facts;
  pair_begin(&pair);
  pair_serve(&pair);
  connects(&pair);
  CHECK(enetjs_security_facts(pair.server.stage, &pair.server.from, &facts));
  CHECK(facts.open && !facts.client_key && !facts.token);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_RETRIES), 1);
  pair_end(&pair);
}

TEST(a_client_with_a_pre_shared_key_connects) {
  struct pair pair;
  pair_begin(&pair);
  pair.config.has_psk = pair.attempt.has_psk = true;
  pair.config.psk[3] = pair.attempt.psk[3] = 7;
  pair_serve(&pair);
  connects(&pair);
  pair_end(&pair);
}

TEST(a_client_with_a_key_pair_connects_and_is_known) {
  struct pair pair;
  struct enetjs_security_facts facts;
  pair_begin(&pair);
  pair.attempt.has_keys = true;
  draw_pair(&pair.attempt.keys);
  pair_serve(&pair);
  connects(&pair);
  CHECK(enetjs_security_facts(pair.server.stage, &pair.server.from, &facts));
  CHECK(facts.client_key && memcmp(facts.client_key, pair.attempt.keys.public, ENETJS_KEY_BYTES) == 0);
  pair_end(&pair);
}

/* @returns whether the server has sent a REPLY */
static bool is_answered(struct pair *pair) {
  size_t before;
  pair_hello(pair);
  deliver(&pair->client, &pair->server);
  if (pair->server.count == 0) return false;
  deliver(&pair->server, &pair->client);
  before = pair->server.count;
  deliver(&pair->client, &pair->server);
  return pair->server.count > before;
}

TEST(other_keys_are_met_with_silence) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair.attempt.server_key[4] ^= 1;
  CHECK(!is_answered(&pair));
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC), 1);
  pair_end(&pair);
  pair_begin(&pair);
  pair.config.has_psk = pair.attempt.has_psk = true;
  pair.attempt.psk[0] = 1;
  pair_serve(&pair);
  CHECK(!is_answered(&pair));
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC), 1);
  pair_end(&pair);
  pair_begin(&pair);
  pair.config.has_psk = true; /* the client has none */
  pair_serve(&pair);
  CHECK(!is_answered(&pair));
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC), 1);
  pair_end(&pair);
}

/* As the client's HELLO, by the same key, but as long as a HELLO may be. */
static void lengthen_hello(struct pair *pair, struct sent *hello) {
  uint8_t prologue[ENETJS_PROLOGUE_BYTES], payload[ENETJS_HELLO_BYTES] = {0};
  struct enetjs_noise_keys keys = {0};
  struct enetjs_noise noise;
  const struct enetjs_session *session =
      enetjs_sessions_by_number(&pair->client.stage->sessions, enetjs_endpoint_ipv4(&pair->session));
  size_t around = ENETJS_AT_NOISE + enetjs_noise_overhead(ENETJS_NOISE_NK, true);
  enetjs_security_prologue(hello->bytes, prologue);
  keys.pattern = ENETJS_NOISE_NK;
  keys.remote = pair->config.keys.public;
  keys.prologue = prologue;
  keys.prologue_bytes = sizeof(prologue);
  enetjs_noise_begin(&noise, true, &keys);
  noise.ephemeral = session->hello->noise.ephemeral; /* the cookie is bound to it */
  hello->length = ENETJS_AT_NOISE + enetjs_noise_write(&noise, payload, ENETJS_HELLO_BYTES - around,
                                                       hello->bytes + ENETJS_AT_NOISE);
  CHECK_EQ_INT(hello->length, ENETJS_HELLO_BYTES);
}

TEST(the_longest_hello_is_answered) {
  struct pair pair;
  struct sent hello;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_prove(&pair);
  hello = pair.client.outbox[(pair.client.count - 1) % OUTBOX];
  lengthen_hello(&pair, &hello);
  side_take(&pair.server, &pair.client.address, hello.bytes, hello.length);
  CHECK_EQ_INT(pair.server.outbox[(pair.server.count - 1) % OUTBOX].length, ENETJS_REPLY_BYTES);
  pair_end(&pair);
}

/* ---- Every byte of every datagram ------------------------------------------------------------ */

/* Delivers each datagram that differs from the last one sent in one byte, or is shorter. */
static void deliver_changed(struct side *from, struct side *to) {
  struct sent sent = from->outbox[(from->count - 1) % OUTBOX];
  for (size_t at = 0; at < sent.length; at++) {
    for (unsigned bit = 1; bit < 256; bit *= 16) {
      sent.bytes[at] ^= (uint8_t)bit;
      CHECK(side_take(to, &from->address, sent.bytes, sent.length) <= 0);
      sent.bytes[at] ^= (uint8_t)bit;
    }
    CHECK(side_take(to, &from->address, sent.bytes, at) <= 0);
  }
}

TEST(no_changed_hello_is_answered_with_a_reply) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_prove(&pair);
  pair.server.bytes_sent = pair.server.count = 0;
  deliver_changed(&pair.client, &pair.server);
  CHECK_EQ_INT(pair.server.bytes_sent, pair.server.count * ENETJS_RETRY_BYTES);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 0);
  pair_end(&pair);
}

TEST(changed_answers_do_not_end_an_attempt) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_hello(&pair);
  deliver(&pair.client, &pair.server);
  deliver_changed(&pair.server, &pair.client); /* a wrong cookie is sent, and answered with a RETRY again */
  deliver(&pair.client, &pair.server);
  deliver(&pair.server, &pair.client);
  CHECK(pair.client.count <= 1 + 9);
  pair.client.stage->sessions.places[enetjs_endpoint_ipv4(&pair.session) & 0x3FFF]->hello->due_us = 0;
  enetjs_security_tick(pair.client.stage);
  deliver(&pair.client, &pair.server);
  CHECK_EQ_INT(pair.server.outbox[(pair.server.count - 1) % OUTBOX].length, ENETJS_REPLY_BYTES);
  deliver_changed(&pair.server, &pair.client);
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), strlen("CONNECT"));
  pair_end(&pair);
}

TEST(changed_datagrams_of_a_session_are_ignored) {
  struct pair pair;
  enetjs_sealed_room room;
  size_t length;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_ask(&pair);
  deliver(&pair.server, &pair.client);
  deliver_changed(&pair.client, &pair.server); /* the first one, to a half-open session */
  CHECK_EQ_INT(pair.server.stage->sessions.half_open, 1);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  CHECK_EQ_INT(pair.server.stage->sessions.half_open, 0);
  length = side_seal(&pair.client, &pair.session, "data", room);
  for (size_t at = 0; at < length; at++) {
    room[at] ^= 0x10;
    CHECK(side_take(&pair.server, &pair.client.address, room, length) <= 0);
    room[at] ^= 0x10;
    CHECK(side_take(&pair.server, &pair.client.address, room, at) <= 0);
  }
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 4);
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 0);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_REPLAYED), 1);
  CHECK_EQ_INT(side_take(&pair.client, &pair.server.address, room, length), 0); /* reflected */
  pair_end(&pair);
}

/* Else the server would take the CONNECT that waits, and use up the token. */
TEST(an_attempt_that_was_given_up_sends_no_more) {
  struct pair pair;
  size_t before;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_ask(&pair);
  before = pair.client.count;
  enetjs_security_peer_gone(pair.client.stage, &pair.session);
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(pair.client.count, before);
  CHECK_EQ_INT(pair.client.stage->sessions.count, 0);
  enetjs_security_tick(pair.client.stage);
  CHECK_EQ_INT(pair.client.stage->hellos, 0);
  pair_end(&pair);
}

TEST(a_repeated_hello_gets_the_same_reply) {
  struct pair pair;
  struct sent first, again;
  struct enetjs_endpoint elsewhere;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_ask(&pair);
  first = pair.server.outbox[(pair.server.count - 1) % OUTBOX];
  CHECK_EQ_INT(first.length, ENETJS_REPLY_BYTES);
  deliver(&pair.client, &pair.server);
  again = pair.server.outbox[(pair.server.count - 1) % OUTBOX];
  CHECK(memcmp(first.bytes, again.bytes, ENETJS_REPLY_BYTES) == 0);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 1);
  elsewhere = enetjs_endpoint_of_ipv4(0x7F000009, 1000);
  first = pair.client.outbox[(pair.client.count - 1) % OUTBOX];
  side_take(&pair.server, &elsewhere, first.bytes, first.length);
  CHECK_EQ_INT(pair.server.outbox[(pair.server.count - 1) % OUTBOX].length, ENETJS_RETRY_BYTES);
  deliver(&pair.server, &pair.client); /* which is not from the server */
  pair_end(&pair);
}

/* The client forgets its session, and connects again. */
static void forget(struct pair *pair) {
  struct enetjs_security *client = pair->client.stage;
  struct enetjs_session *session =
      enetjs_sessions_by_number(&client->sessions, enetjs_endpoint_ipv4(&pair->session));
  client->hellos -= session->state == ENETJS_SESSION_HELLO;
  client->reports -= session->report != 0;
  enetjs_sessions_remove(&client->sessions, session);
}

TEST(half_open_sessions_are_bounded) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  for (unsigned i = 0; i < ENETJS_HALF_OPEN_SESSIONS + 200; i++) {
    pair.server.stage->budget = 1;
    memset(pair.server.stage->shares, 0, sizeof(pair.server.stage->shares));
    pair_ask(&pair);
    forget(&pair);
  }
  CHECK_EQ_INT(pair.server.stage->sessions.half_open, ENETJS_HALF_OPEN_SESSIONS);
  CHECK_EQ_INT(pair.server.stage->sessions.count, ENETJS_HALF_OPEN_SESSIONS);
  pair_end(&pair);
}

TEST(what_the_host_does_not_admit_is_not_answered) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair.server.refuses = true;
  CHECK(!is_answered(&pair));
  CHECK_EQ_INT(pair.server.count, 0);
  pair_end(&pair);
}

TEST(handshakes_have_a_budget) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_prove(&pair);
  pair.server.stage->budget = 0;
  pair.server.stage->budget_us = enetjs_clock_us() + 1000000; /* until then nothing is added */
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 0);
  CHECK_EQ_INT(pair.server.count, 1);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_LIMITED), 1);
  pair_end(&pair);
}

TEST(a_network_has_a_share_of_the_handshakes) {
  struct pair pair;
  unsigned answered = 0;
  pair_begin(&pair);
  pair_serve(&pair);
  pair.server.stage->share_us = enetjs_clock_us();
  for (unsigned i = 0; i < 300; i++) {
    pair.server.stage->budget = 128;
    answered += is_answered(&pair);
    pair.server.stage->share_us = enetjs_clock_us();
    forget(&pair);
  }
  CHECK_EQ_INT(answered, 250);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_LIMITED), 50);
  pair_end(&pair);
}

/* @returns how many handshakes an address can have before it is limited */
static unsigned handshakes_from(struct pair *pair, uint32_t address, unsigned most) {
  unsigned answered = 0;
  pair->client.address = enetjs_endpoint_of_ipv4(address, 1000);
  while (answered < most) {
    bool is_limited;
    pair->server.stage->share_us = enetjs_clock_us(); /* the second goes on */
    is_limited = !is_answered(pair);
    forget(pair);
    if (is_limited) break;
    answered++;
  }
  return answered;
}

TEST(a_few_networks_leave_handshakes_to_others) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  pair.server.stage->budget = 128;
  pair.server.stage->budget_us = enetjs_clock_us() + 60000000; /* until then nothing is added */
  CHECK_EQ_INT(handshakes_from(&pair, 0x0A000001, 300), 86);
  CHECK(handshakes_from(&pair, 0x0B000001, 300) > 0); /* as one of few */
  CHECK(handshakes_from(&pair, 0x0C000001, 300) > 0);
  CHECK(handshakes_from(&pair, 0x0D000001, 300) > 0);
  CHECK_EQ_INT(handshakes_from(&pair, 0x0E000001, 1), 1);
  CHECK_EQ_INT(handshakes_from(&pair, 0x0A000001, 1), 0);
  pair_end(&pair);
}

TEST(the_networks_of_a_prefix_leave_handshakes_to_others) {
  struct pair pair;
  unsigned answered = 0;
  pair_begin(&pair);
  pair_serve(&pair);
  pair.server.stage->budget = 128;
  pair.server.stage->budget_us = enetjs_clock_us() + 60000000;
  for (unsigned i = 0; i < 200; i++) answered += handshakes_from(&pair, 0x0A000001 + i, 1);
  CHECK(answered > 100 && answered < 120);
  CHECK_EQ_INT(handshakes_from(&pair, 0x0A0001FF, 1), 1);
  pair_end(&pair);
}

/* ---- Cookies of last sessions ---------------------------------------------------------------- */

/* A HELLO with what is left of the last session. @returns whether the server answers with a REPLY at once */
static bool resumes(struct pair *pair) {
  forget(pair);
  pair->server.stage->share_us = enetjs_clock_us(); /* the second goes on */
  pair_hello_again(pair);
  deliver(&pair->client, &pair->server);
  return pair->server.outbox[(pair->server.count - 1) % OUTBOX].length == ENETJS_REPLY_BYTES;
}

TEST(a_client_that_comes_back_needs_no_retry) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  connects(&pair);
  pair.client.address.port = 1234;
  CHECK(resumes(&pair));
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_RETRIES), 1);
  CHECK(resumes(&pair));  /* with the cookie of the second session */
  CHECK(!resumes(&pair)); /* which was used */
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 0);
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  pair_end(&pair);
}

TEST(from_another_address_or_after_a_restart_a_retry_is_needed) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  connects(&pair);
  pair.client.address = enetjs_endpoint_of_ipv4(0x7F000003, 1000);
  CHECK(!resumes(&pair));
  CHECK_EQ_INT(pair_connect(&pair), 7);
  enetjs_security_destroy(pair.server.stage);
  side_begin(&pair.server, 0x7F000002, 2000);
  pair_serve(&pair);
  CHECK(!resumes(&pair));
  pair_end(&pair);
}

/* Whoever has had an address can send its cookie from there. */
TEST(cookies_of_last_sessions_bring_in_few) {
  struct pair pair;
  struct enetjs_resumptions kept;
  unsigned resumed = 0;
  pair_begin(&pair);
  pair_serve(&pair);
  connects(&pair);
  kept = pair.client.stage->resumptions;
  pair.server.stage->budget_us = enetjs_clock_us() + 60000000;
  for (unsigned i = 0; i < 20; i++) {
    pair.client.stage->resumptions = kept;
    resumed += resumes(&pair);
  }
  CHECK_EQ_INT(resumed, 8);
  memset(pair.server.stage->shares, 0, sizeof(pair.server.stage->shares));
  pair.server.stage->sessions.half_open += ENETJS_HALF_OPEN_SESSIONS / 4;
  pair.client.stage->resumptions = kept;
  CHECK(!resumes(&pair));
  pair.server.stage->sessions.half_open -= ENETJS_HALF_OPEN_SESSIONS / 4;
  pair_end(&pair);
}

/* ---- AES-256-GCM ----------------------------------------------------------------------------- */

static bool uses_aes(struct pair *pair, bool client, bool server) {
  struct enetjs_security_facts facts, remote;
  bool aes;
  pair_begin(pair);
  pair->attempt.aes = client;
  pair->config.aes = server;
  pair_serve(pair);
  connects(pair);
  CHECK(enetjs_security_facts(pair->client.stage, &pair->session, &facts));
  CHECK(enetjs_security_facts(pair->server.stage, &pair->server.from, &remote));
  aes = facts.aes;
  CHECK_EQ_INT(remote.aes, aes);
  pair_end(pair);
  return aes;
}

TEST(aes_is_used_where_both_sides_ask_for_it_and_have_it) {
  struct enetjs_sodium *sodium = (struct enetjs_sodium *)(uintptr_t)enetjs_sodium();
  bool has_aes = sodium->has_aes;
  struct pair pair;
  CHECK_EQ_INT(uses_aes(&pair, true, true), has_aes);
  CHECK(!uses_aes(&pair, true, false));
  CHECK(!uses_aes(&pair, false, true));
  sodium->has_aes = false;
  CHECK(!uses_aes(&pair, true, true));
  sodium->has_aes = has_aes;
}

/* Who has no server key can't offer for a client, nor choose for a server: see no_changed_hello_…. */
TEST(a_cipher_that_was_not_offered_is_no_answer) {
  struct pair pair;
  if (!enetjs_sodium()->has_aes) return;
  pair_begin(&pair);
  pair.attempt.aes = pair.config.aes = true;
  pair_serve(&pair);
  pair_ask(&pair);
  pair.client.stage->sessions.places[enetjs_endpoint_ipv4(&pair.session) & 0x3FFF]->hello->offers_aes = false;
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(counter(&pair.client, ENETJS_HOST_STAT_SECURITY_FORGED), 1);
  CHECK_EQ_INT(counter(&pair.client, ENETJS_HOST_STAT_SECURITY_HANDSHAKES), 0);
  pair.client.stage->sessions.places[enetjs_endpoint_ipv4(&pair.session) & 0x3FFF]->hello->offers_aes = true;
  CHECK_EQ_INT(deliver(&pair.server, &pair.client), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  pair_end(&pair);
}

/* Who sees a HELLO can repeat it from an address of its own, with a cookie of its own. */
TEST(a_copied_hello_does_not_lock_its_client_out) {
  struct pair pair;
  struct enetjs_endpoint thief = enetjs_endpoint_of_ipv4(0x7F000009, 9);
  struct sent copy;
  pair_begin(&pair);
  pair_serve(&pair);
  pair_hello(&pair);
  copy = pair.client.outbox[(pair.client.count - 1) % OUTBOX];
  CHECK_EQ_INT(side_take(&pair.server, &thief, copy.bytes, copy.length), 0);
  memcpy(copy.bytes + ENETJS_AT_COOKIE, pair.server.outbox[0].bytes + ENETJS_AT_COOKIE, ENETJS_COOKIE_BYTES);
  CHECK_EQ_INT(side_take(&pair.server, &thief, copy.bytes, copy.length), 0);
  CHECK_EQ_INT(pair.server.outbox[1].length, ENETJS_REPLY_BYTES);
  deliver(&pair.client, &pair.server);
  deliver(&pair.server, &pair.client);
  deliver(&pair.client, &pair.server);
  deliver(&pair.server, &pair.client);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  CHECK_EQ_INT(side_take(&pair.server, &thief, copy.bytes, copy.length), 0); /* it has its own */
  CHECK_EQ_INT(pair.server.outbox[(pair.server.count - 1) % OUTBOX].length, ENETJS_REPLY_BYTES);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 2);
  pair_end(&pair);
}

TEST(a_full_table_drops_sessions_that_have_no_peer) {
  struct pair pair;
  unsigned room;
  pair_begin(&pair);
  pair_serve(&pair);
  room = pair.server.stage->sessions.room;
  for (unsigned i = 0; i < room + 50; i++) {
    pair.server.stage->budget = 1;
    memset(pair.server.stage->shares, 0, sizeof(pair.server.stage->shares));
    CHECK_EQ_INT(pair_connect(&pair), 7);
    if (i == 0) { /* ENet has a peer of the first one */
      pair.server.peers[0].state = ENET_PEER_STATE_CONNECTED;
      pair.server.peers[0].address = enetjs_endpoint_plain(&pair.server.from);
    }
    forget(&pair);
  }
  CHECK_EQ_INT(pair.server.stage->sessions.count, room);
  CHECK(enetjs_sessions_by_number(&pair.server.stage->sessions,
                                  ENET_NET_TO_HOST_32(pair.server.peers[0].address.host)) != NULL);
  pair_end(&pair);
}

/* The server's session, when there was none before. */
static struct enetjs_session *session_at(struct pair *pair) { return pair->server.stage->sessions.places[1]; }

TEST(a_session_that_waits_for_a_place_lives) {
  struct pair pair;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  session_at(&pair)->began_us -= 24000000;
  enetjs_security_tick(pair.server.stage);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 1);
  session_at(&pair)->began_us -= 2000000;
  pair.server.stage->looked_us = 0;
  enetjs_security_tick(pair.server.stage);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 0);
  pair_end(&pair);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

TEST(a_session_moves_once_its_new_address_has_answered) {
  struct pair pair;
  enetjs_sealed_room room;
  struct enetjs_endpoint session, real;
  struct sent challenge;
  size_t length, before;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  session = pair.server.from;
  real = pair.client.address;
  pair.client.address.port = 1001;
  length = side_seal(&pair.client, &pair.session, "from elsewhere", room);
  before = pair.server.count;
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 14);
  CHECK_EQ_INT(pair.server.count, before + 1);
  challenge = pair.server.outbox[before % OUTBOX];
  CHECK(enetjs_endpoint_same(&challenge.to, &pair.client.address) && challenge.length <= length);
  real = enetjs_security_real(pair.server.stage, &session);
  CHECK_EQ_INT(real.port, 1000); /* until it is answered */
  CHECK_EQ_INT(side_take(&pair.client, &pair.server.address, challenge.bytes, challenge.length), 0);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 0);
  real = enetjs_security_real(pair.server.stage, &session);
  CHECK_EQ_INT(real.port, 1001);
  CHECK_EQ_INT(enetjs_security_take_report(pair.server.stage, &real), ENETJS_SESSION_HAS_MOVED);
  CHECK(enetjs_endpoint_same(&real, &session));
  CHECK_EQ_INT(enetjs_security_take_report(pair.server.stage, &real), 0);
  pair_end(&pair);
}

/* Each move is an event of the server's program. */
TEST(a_session_moves_seldom) {
  struct pair pair;
  enetjs_sealed_room room;
  unsigned moves = 0;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  for (unsigned i = 0; i < 50; i++) {
    size_t length = side_seal(&pair.client, &pair.session, "from here and from there", room);
    size_t before = pair.server.count;
    pair.client.address.port = (uint16_t)(1001 + i % 2);
    CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 24);
    if (pair.server.count == before) continue;
    deliver(&pair.server, &pair.client);
    deliver(&pair.client, &pair.server);
    moves++;
    if (session_at(&pair)->challenged_us != 0) /* no time passes */
      session_at(&pair)->challenged_us = enetjs_clock_us() + 1000000;
  }
  CHECK_EQ_INT(moves, 1);
  CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_SECURITY_MOVED), 1);
  pair_end(&pair);
}

TEST(old_datagrams_and_answers_from_elsewhere_move_nothing) {
  struct pair pair;
  enetjs_sealed_room first, second;
  struct enetjs_endpoint session, thief = enetjs_endpoint_of_ipv4(0x7F000009, 9), real;
  struct sent challenge;
  size_t length, before;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  session = pair.server.from;
  length = side_seal(&pair.client, &pair.session, "number one", first);
  side_seal(&pair.client, &pair.session, "number two", second);
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, second, length), 10);
  before = pair.server.count;
  CHECK_EQ_INT(side_take(&pair.server, &thief, first, length), 10); /* authentic, but not the newest */
  CHECK_EQ_INT(side_take(&pair.server, &thief, second, length), 0); /* replayed */
  CHECK_EQ_INT(pair.server.count, before);
  length = side_seal(&pair.client, &pair.session, "number three", first);
  side_take(&pair.server, &thief, first, length);
  CHECK_EQ_INT(pair.server.count, before + 1);
  challenge = pair.server.outbox[before % OUTBOX];
  side_take(&pair.client, &pair.server.address, challenge.bytes,
            challenge.length); /* the thief passes it on */
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 0);
  real = enetjs_security_real(pair.server.stage, &session);
  CHECK(enetjs_endpoint_same(&real, &pair.client.address));
  pair_end(&pair);
}

/* The filter of the host, or the rate of the network. */
TEST(a_session_does_not_move_to_an_address_that_the_host_does_not_admit) {
  struct pair pair;
  enetjs_sealed_room room;
  struct enetjs_endpoint session, real;
  size_t length, before;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  session = pair.server.from;
  pair.client.address.port = 1001;
  length = side_seal(&pair.client, &pair.session, "from elsewhere", room);
  before = pair.server.count;
  pair.server.refuses = true;
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 0);
  CHECK_EQ_INT(pair.server.count, before);
  pair.server.refuses = false;
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, room, length), 14);
  pair.server.refuses = true; /* once it is challenged */
  deliver(&pair.server, &pair.client);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 0);
  real = enetjs_security_real(pair.server.stage, &session);
  CHECK_EQ_INT(real.port, 1000);
  pair_end(&pair);
}

/* A client can send its datagrams with the addresses of others. */
TEST(challenges_are_few_whatever_the_addresses) {
  struct pair pair;
  enetjs_sealed_room room;
  struct enetjs_endpoint victim = enetjs_endpoint_of_ipv4(0x7F000009, 1);
  uint32_t number;
  size_t before;
  pair_begin(&pair);
  pair_serve(&pair);
  CHECK_EQ_INT(pair_connect(&pair), 7);
  number = enetjs_endpoint_ipv4(&pair.server.from);
  before = pair.server.count;
  for (unsigned i = 0; i < 100; i++) {
    size_t length = side_seal(&pair.client, &pair.session, "from elsewhere", room);
    struct enetjs_session *session = enetjs_sessions_by_number(&pair.server.stage->sessions, number);
    victim.port = (uint16_t)(1 + i);
    if (i > 0) session->challenged_us = i == 50 ? enetjs_clock_us() - 50000 : enetjs_clock_us() + 1000000;
    CHECK_EQ_INT(side_take(&pair.server, &victim, room, length), 14);
  }
  CHECK_EQ_INT(pair.server.count - before, 2);
  pair_end(&pair);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

typedef int (*sign_function)(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long,
                             const unsigned char *);
typedef int (*pair_function)(unsigned char *, unsigned char *);

struct issuer {
  sign_function sign;
  uint8_t public[32], secret[64];
};

static void issuer_begin(struct issuer *issuer) {
  pair_function draw;
  CHECK(enetjs_sodium_find("crypto_sign_detached", (void **)(void *)&issuer->sign));
  CHECK(enetjs_sodium_find("crypto_sign_keypair", (void **)(void *)&draw));
  draw(issuer->public, issuer->secret);
}

/* @returns the length */
static size_t issue(const struct issuer *issuer, uint64_t expiry_ms, const uint8_t *server, uint8_t *token) {
  uint8_t in[1024] = "enetjs connect token 1";
  size_t length = 57;
  memset(token, 0, ENETJS_TOKEN_BYTES);
  token[0] = 1;
  memcpy(token + 1, issuer->public, 32);
  for (unsigned i = 0; i < 8; i++) token[33 + i] = (uint8_t)(expiry_ms >> (56 - 8 * i));
  enetjs_random(token + 41, 16);
  token[length++] = 1;
  token[length++] = 3;
  memcpy(token + length, "bob", 3);
  length += 3;
  token[length++] = server ? 1 : 0;
  if (server) memcpy(token + length, server, 32);
  length += server ? 32 : 0;
  token[length + 1] = 4;
  memcpy(token + length + 2, "data", 4);
  length += 6;
  memcpy(in + 23, token, length);
  issuer->sign(token + length, NULL, in, 23 + length, issuer->secret);
  return length + 64;
}

static void tokens_begin(struct pair *pair, const struct issuer *issuer) {
  pair_begin(pair);
  pair->config.issuer_count = 1;
  memcpy(pair->config.issuers[0], issuer->public, 32);
  pair_serve(pair);
}

/* @returns the status that the client is told */
static unsigned status_of(struct pair *pair, const uint8_t *token, size_t length) {
  struct enetjs_security_facts facts;
  pair->attempt.token = token;
  pair->attempt.token_bytes = length;
  pair_ask(pair);
  CHECK_EQ_INT(deliver(&pair->server, &pair->client), 0);
  CHECK(enetjs_security_facts(pair->client.stage, &pair->session, &facts));
  return facts.status;
}

TEST(each_token_gets_its_answer) {
  struct issuer issuer, other;
  struct pair pair;
  struct enetjs_security_facts facts;
  uint8_t token[ENETJS_TOKEN_BYTES];
  uint64_t soon = enetjs_wall_clock_ms() + 60000;
  size_t length;
  issuer_begin(&issuer);
  issuer_begin(&other);
  tokens_begin(&pair, &issuer);
  CHECK_EQ_INT(status_of(&pair, NULL, 0), ENETJS_TOKEN_MISSING);
  length = issue(&other, soon, NULL, token);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_FOREIGN);
  length = issue(&issuer, enetjs_wall_clock_ms() - 1, NULL, token);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_EXPIRED);
  length = issue(&issuer, soon, other.public, token);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_OTHER_SERVER);
  length = issue(&issuer, soon, pair.config.keys.public, token);
  CHECK_EQ_INT(status_of(&pair, token, length - 1), ENETJS_TOKEN_MALFORMED);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_ACCEPTED);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  CHECK(enetjs_security_facts(pair.server.stage, &pair.server.from, &facts));
  CHECK_EQ_INT(facts.token_bytes, length);
  CHECK(memcmp(facts.token, token, length) == 0);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_USED);
  for (unsigned status = ENETJS_TOKEN_MISSING; status < ENETJS_TOKEN_BUSY; status++)
    CHECK_EQ_INT(counter(&pair.server, ENETJS_HOST_STAT_TOKEN_MISSING + status - 1), 1);
  pair_end(&pair);
}

/* A token that was only shown, by a HELLO that somebody repeats, is not used. */
TEST(a_token_is_used_by_the_first_session_that_opens) {
  struct issuer issuer;
  struct pair pair;
  struct sent late;
  uint8_t token[ENETJS_TOKEN_BYTES];
  size_t length;
  issuer_begin(&issuer);
  tokens_begin(&pair, &issuer);
  length = issue(&issuer, enetjs_wall_clock_ms() + 60000, NULL, token);
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_ACCEPTED);
  late = pair.client.outbox[(pair.client.count - 1) % OUTBOX];
  CHECK_EQ_INT(status_of(&pair, token, length), ENETJS_TOKEN_ACCEPTED);
  CHECK_EQ_INT(deliver(&pair.client, &pair.server), 7);
  CHECK_EQ_INT(side_take(&pair.server, &pair.client.address, late.bytes, late.length), 0);
  CHECK_EQ_INT(pair.server.stage->sessions.count, 1);
  pair_end(&pair);
}

TEST(no_changed_token_is_accepted) {
  struct issuer issuer;
  struct enetjs_tokens tokens = {0};
  uint8_t token[ENETJS_TOKEN_BYTES];
  size_t length;
  issuer_begin(&issuer);
  tokens.issuer_count = 1;
  memcpy(tokens.issuers[0], issuer.public, 32);
  length = issue(&issuer, enetjs_wall_clock_ms() + 60000, tokens.server, token);
  for (size_t at = 0; at < length; at++)
    for (unsigned bit = 1; bit < 256; bit *= 2) {
      token[at] ^= (uint8_t)bit;
      CHECK(enetjs_token_check(&tokens, token, length, enetjs_wall_clock_ms()) != ENETJS_TOKEN_ACCEPTED);
      token[at] ^= (uint8_t)bit;
      CHECK(enetjs_token_check(&tokens, token, at, enetjs_wall_clock_ms()) != ENETJS_TOKEN_ACCEPTED);
    }
  CHECK_EQ_INT(enetjs_token_check(&tokens, token, length, enetjs_wall_clock_ms()), ENETJS_TOKEN_ACCEPTED);
  enetjs_tokens_clear(&tokens);
}

TEST(used_tokens_are_remembered_until_they_expire) {
  struct enetjs_tokens tokens = {0};
  uint8_t token[64] = {0};
  tokens.issuer_count = 1;
  for (unsigned round = 0; round < 2; round++) {
    uint64_t now = 1000 + round * 100000;
    for (uint32_t i = 0; i < ENETJS_TOKENS_REMEMBERED; i++) {
      enetjs_put_u64(token + 33, now + 50000);
      memcpy(token + 41, &i, sizeof(i));
      CHECK(enetjs_token_use(&tokens, token, now));
    }
    CHECK(!enetjs_token_use(&tokens, token, now));
    memset(token + 41, 0xFF, 16);
    CHECK(!enetjs_token_use(&tokens, token, now + 2000)); /* full */
    memset(token + 41, 0, 16);
  }
  enetjs_tokens_clear(&tokens);
}

/* A table that was full has forgotten what had expired. Then the clock is set back. */
TEST(what_was_forgotten_is_not_good_again) {
  struct issuer issuer;
  struct enetjs_tokens tokens = {0};
  uint8_t token[ENETJS_TOKEN_BYTES], other[64] = {0};
  uint64_t now = enetjs_wall_clock_ms();
  size_t length;
  issuer_begin(&issuer);
  tokens.issuer_count = 1;
  memcpy(tokens.issuers[0], issuer.public, 32);
  length = issue(&issuer, now + 1000, NULL, token);
  CHECK(enetjs_token_use(&tokens, token, now));
  enetjs_put_u64(other + 33, now + 1000);
  for (uint32_t i = 1; i < ENETJS_TOKENS_REMEMBERED; i++) {
    memcpy(other + 41, &i, sizeof(i));
    CHECK(enetjs_token_use(&tokens, other, now));
  }
  enetjs_put_u64(other + 33, now + 9000);
  memset(other + 41, 0xFF, 16);
  CHECK(enetjs_token_use(&tokens, other, now + 2000));
  CHECK_EQ_INT(enetjs_token_check(&tokens, token, length, now), ENETJS_TOKEN_EXPIRED);
  CHECK(!enetjs_token_use(&tokens, token, now));
  enetjs_tokens_clear(&tokens);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_client_with_the_servers_key_connects),
      TEST_CASE(a_client_with_a_pre_shared_key_connects),
      TEST_CASE(a_client_with_a_key_pair_connects_and_is_known),
      TEST_CASE(other_keys_are_met_with_silence),
      TEST_CASE(the_longest_hello_is_answered),
      TEST_CASE(no_changed_hello_is_answered_with_a_reply),
      TEST_CASE(changed_answers_do_not_end_an_attempt),
      TEST_CASE(changed_datagrams_of_a_session_are_ignored),
      TEST_CASE(an_attempt_that_was_given_up_sends_no_more),
      TEST_CASE(a_repeated_hello_gets_the_same_reply),
      TEST_CASE(half_open_sessions_are_bounded),
      TEST_CASE(what_the_host_does_not_admit_is_not_answered),
      TEST_CASE(handshakes_have_a_budget),
      TEST_CASE(a_network_has_a_share_of_the_handshakes),
      TEST_CASE(a_few_networks_leave_handshakes_to_others),
      TEST_CASE(the_networks_of_a_prefix_leave_handshakes_to_others),
      TEST_CASE(a_client_that_comes_back_needs_no_retry),
      TEST_CASE(from_another_address_or_after_a_restart_a_retry_is_needed),
      TEST_CASE(cookies_of_last_sessions_bring_in_few),
      TEST_CASE(aes_is_used_where_both_sides_ask_for_it_and_have_it),
      TEST_CASE(a_cipher_that_was_not_offered_is_no_answer),
      TEST_CASE(a_copied_hello_does_not_lock_its_client_out),
      TEST_CASE(a_full_table_drops_sessions_that_have_no_peer),
      TEST_CASE(a_session_that_waits_for_a_place_lives),
      TEST_CASE(a_session_moves_once_its_new_address_has_answered),
      TEST_CASE(a_session_moves_seldom),
      TEST_CASE(old_datagrams_and_answers_from_elsewhere_move_nothing),
      TEST_CASE(a_session_does_not_move_to_an_address_that_the_host_does_not_admit),
      TEST_CASE(challenges_are_few_whatever_the_addresses),
      TEST_CASE(each_token_gets_its_answer),
      TEST_CASE(a_token_is_used_by_the_first_session_that_opens),
      TEST_CASE(no_changed_token_is_accepted),
      TEST_CASE(used_tokens_are_remembered_until_they_expire),
      TEST_CASE(what_was_forgotten_is_not_good_again),
  };
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}
