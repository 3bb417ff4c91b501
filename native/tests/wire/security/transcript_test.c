/*
 * Whole conversations, byte by byte as they were recorded: so the wire cannot change unnoticed. transcripts.h
 * has them. Clock and random numbers are the test's own. After a change of the protocol on purpose, record
 * them anew:
 *
 *     native/build/transcript_test --record > native/tests/wire/security/transcripts.h
 */
#include "repeatable.h"
#include "stages.h"
#include "transcripts.h"

/* ---- What is said ---------------------------------------------------------------------------- */

struct record {
  char lines[TRANSCRIPT_LINES][8 + 2 * DATAGRAM];
  unsigned count;
};

static void note(struct record *record, const char *what, const uint8_t *bytes, size_t length) {
  char *at = record->lines[record->count++];
  CHECK(record->count <= TRANSCRIPT_LINES);
  at += sprintf(at, "%s ", what);
  for (size_t i = 0; i < length; i++) at += sprintf(at, "%02x", bytes[i]);
}

/* Delivers what a side has sent last, and notes it. */
static int pass(struct record *record, struct side *from, struct side *to, const char *arrow) {
  const struct sent *sent = &from->outbox[(from->count - 1) % OUTBOX];
  note(record, arrow, sent->bytes, sent->length);
  return deliver(from, to);
}

static void say(struct record *record, struct pair *pair, const char *text, bool to_server) {
  struct side *from = to_server ? &pair->client : &pair->server,
              *to = to_server ? &pair->server : &pair->client;
  enetjs_sealed_room room;
  size_t length = side_seal(from, to_server ? &pair->session : &pair->server.from, text, room);
  note(record, to_server ? ">" : "<", room, length);
  CHECK_EQ_INT(side_take(to, &from->address, room, length), strlen(text));
}

static void note_keys(struct record *record, const struct pair *pair) {
  note(record, "server", pair->config.keys.secret, ENETJS_KEY_BYTES);
  if (pair->attempt.has_psk) note(record, "psk", pair->attempt.psk, ENETJS_KEY_BYTES);
  if (pair->attempt.has_keys) note(record, "client", pair->attempt.keys.secret, ENETJS_KEY_BYTES);
}

static const struct enetjs_hello *hello_of(const struct pair *pair) {
  return enetjs_sessions_by_number(&pair->client.stage->sessions, enetjs_endpoint_ipv4(&pair->session))
      ->hello;
}

/* A handshake, messages, a new key on both sides, a move, and a second session. */
static void converse(const struct transcript *transcript, struct record *record) {
  static struct pair pair;
  test_clock.ns = TEST_CLOCK_NS;
  random_state = 7;
  memset(record, 0, sizeof(*record));
  pair_begin(&pair);
  pair.attempt.has_psk = pair.config.has_psk = transcript->pattern == ENETJS_NOISE_NKPSK0;
  pair.attempt.has_keys = transcript->pattern == ENETJS_NOISE_IK;
  pair.attempt.aes = pair.config.aes = transcript->aes;
  if (pair.attempt.has_psk) enetjs_random(pair.attempt.psk, ENETJS_KEY_BYTES);
  memcpy(pair.config.psk, pair.attempt.psk, ENETJS_KEY_BYTES);
  if (pair.attempt.has_keys) draw_pair(&pair.attempt.keys);
  pair_serve(&pair);
  note_keys(record, &pair);
  pair_hello(&pair);
  note(record, "client ephemeral", hello_of(&pair)->noise.ephemeral.secret, ENETJS_KEY_BYTES);
  pass(record, &pair.client, &pair.server, ">");
  pass(record, &pair.server, &pair.client, "<");
  test_clock.ns += 50000000;
  pass(record, &pair.client, &pair.server, ">");
  pass(record, &pair.server, &pair.client, "<");
  CHECK_EQ_INT(pass(record, &pair.client, &pair.server, ">"), strlen("CONNECT"));
  say(record, &pair, "VERIFY CONNECT", false);
  say(record, &pair, "a message of the client", true);
  test_clock.ns += 121000000000;
  say(record, &pair, "with a new key", true);
  say(record, &pair, "with a new key, too", false);
  pair.client.address.port = 1001;
  say(record, &pair, "from another port", true);
  pass(record, &pair.server, &pair.client, "<");
  pass(record, &pair.client, &pair.server, ">");
  CHECK_EQ_INT(pair.server.counters[ENETJS_HOST_STAT_SECURITY_MOVED], 1);
  pair_hello_again(&pair);
  pass(record, &pair.client, &pair.server, ">");
  pass(record, &pair.server, &pair.client, "<");
  CHECK_EQ_INT(pass(record, &pair.client, &pair.server, ">"), strlen("CONNECT"));
  pair_end(&pair);
}

#define COLUMNS 96 /* of a string in transcripts.h */

/* ---- Comparing and recording ----------------------------------------------------------------- */

TEST(conversations_are_as_they_were_recorded) {
  static struct record record;
  for (size_t i = 0; i < TEST_COUNT(transcripts); i++) {
    const struct transcript *transcript = &transcripts[i];
    if (transcript->aes && !enetjs_sodium()->has_aes) continue;
    converse(transcript, &record);
    for (unsigned line = 0; line < TRANSCRIPT_LINES; line++) {
      const char *expected = transcript->lines[line] ? transcript->lines[line] : "";
      if (strcmp(record.lines[line], expected) == 0) continue;
      printf("# %s, line %u: %s\n# recorded: %s\n", transcript->name, line + 1, record.lines[line], expected);
      CHECK(!"as it was recorded");
    }
  }
}

static void print_transcript(const struct transcript *transcript) {
  static struct record record;
  converse(transcript, &record);
  printf("    {\"%s\", %d, %d, {\n", transcript->name, transcript->pattern, transcript->aes);
  for (unsigned line = 0; line < record.count; line++) {
    const char *rest = record.lines[line];
    for (; strlen(rest) > COLUMNS; rest += COLUMNS) printf("      \"%.*s\"\n", COLUMNS, rest);
    printf("      \"%s\",\n", rest);
  }
  printf("    }},\n");
}

static void print_header(void) {
  static const struct transcript kinds[] = {{"NK", ENETJS_NOISE_NK, 0, {0}},
                                            {"NKpsk0", ENETJS_NOISE_NKPSK0, 0, {0}},
                                            {"IK", ENETJS_NOISE_IK, 0, {0}},
                                            {"NK, AES-256-GCM", ENETJS_NOISE_NK, 1, {0}}};
  printf(
      "/**\n * @file transcripts.h\n * @brief Conversations of a client and a server, recorded by "
      "transcript_test.c.\n *\n"
      " * First come secret keys: of the server, the pre-shared one, of the client, and of its HELLO. Then "
      "datagrams,\n * to the server (>) and from it (<).\n */\n/* clang-format off */\n"
      "#define TRANSCRIPT_LINES %d\n\nstruct transcript {\n  const char *name;\n  int pattern, aes;\n"
      "  const char *lines[TRANSCRIPT_LINES];\n};\n\n"
      "static const struct transcript transcripts[] = {\n",
      TRANSCRIPT_LINES);
  for (size_t i = 0; i < TEST_COUNT(kinds); i++) print_transcript(&kinds[i]);
  printf("};\n");
}

int main(int argc, char **argv) {
  static const struct test_case cases[] = {TEST_CASE(conversations_are_as_they_were_recorded)};
#ifdef _WIN32
  return test_skip("random numbers cannot be repeated here");
#endif
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  if (argc < 2 || strcmp(argv[1], "--record") != 0) return test_run(cases, TEST_COUNT(cases));
  print_header();
  return 0;
}
