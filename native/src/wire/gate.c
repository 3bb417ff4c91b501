/*
 * The gate: a filter whose decisions are JavaScript's. A source address (IPv4 and port) that is not
 * known becomes a question, and its datagram waits for the answer; what else comes from it meanwhile
 * is dropped. Answers are remembered, so JavaScript hears of an address once, not of each datagram.
 *
 * A flood must not get further than this file. Questions are bounded in number and per second, and
 * what is beyond is dropped unasked. The memory of answers is a table of fixed size; a new address
 * takes the place of the one in its set that has been silent longest, so that an address that goes on sending stays known.
 */
#include "wire/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define WAYS 4
#define SETS 4096 /* a power of two */
#define WAITING_LIMIT 256
#define QUESTIONS_PER_SECOND 1024
#define ANSWER_LIFETIME_MS 60000

enum verdict { UNKNOWN, ASKED, ALLOWED, DENIED };

/** What is known of a source address. */
struct entry {
  uint32_t address;
  uint16_t port;
  uint8_t verdict;
  bool asked_again; /**< the verdict is old and stands in for the one to come */
  uint32_t seen_at, answered_at;
};

/** A question, and behind it the datagram that waits; or one that may pass. */
struct waiting {
  struct waiting *next;
  uint32_t address; /**< host byte order */
  uint16_t port;
  size_t length; /**< 0 where no datagram waits */
  uint8_t data[];
};

struct waiting_list {
  struct waiting *head, *tail;
};

struct enetjs_gate {
  bool passes; /**< ENet's receive calls arrive in socket.c, which can hand it what has waited */
  uint32_t seed;
  uint32_t second_began;
  unsigned asked_this_second;
  unsigned waiting; /**< in both lists */
  struct waiting_list questions, passing;
  struct entry entries[SETS * WAYS];
};

static void push(struct waiting_list *list, struct waiting *item) {
  item->next = NULL;
  if (list->tail)
    list->tail->next = item;
  else
    list->head = item;
  list->tail = item;
}

static struct waiting *shift(struct waiting_list *list) {
  struct waiting *item = list->head;
  if (!item) return NULL;
  list->head = item->next;
  if (!list->head) list->tail = NULL;
  return item;
}

/* ---- The memory of answers ------------------------------------------------------------------- */

static struct entry *set_of(struct enetjs_gate *gate, uint32_t address, uint16_t port) {
  uint64_t key = ((uint64_t)address << 16 | port) ^ ((uint64_t)gate->seed << 24);
  key = (key ^ key >> 31) * 0x9E3779B97F4A7C15u;
  return &gate->entries[(key >> 40 & (SETS - 1)) * WAYS];
}

static struct entry *find(struct enetjs_gate *gate, uint32_t address, uint16_t port) {
  struct entry *set = set_of(gate, address, port);
  for (unsigned i = 0; i < WAYS; i++)
    if (set[i].verdict != UNKNOWN && set[i].address == address && set[i].port == port) return &set[i];
  return NULL;
}

/* @returns the place for a new address, or NULL where every other one of the set waits for its answer */
static struct entry *place_for(struct enetjs_gate *gate, uint32_t address, uint16_t port, uint32_t now) {
  struct entry *set = set_of(gate, address, port), *silent = NULL;
  for (unsigned i = 0; i < WAYS; i++) {
    if (set[i].verdict == UNKNOWN) return &set[i];
    if (set[i].verdict == ASKED || set[i].asked_again) continue;
    if (!silent || now - set[i].seen_at > now - silent->seen_at) silent = &set[i];
  }
  return silent;
}

/* ---- Questions ------------------------------------------------------------------------------- */

static bool may_ask(struct enetjs_gate *gate, uint32_t now) {
  if (now - gate->second_began >= 1000) {
    gate->second_began = now;
    gate->asked_this_second = 0;
  }
  return gate->waiting < WAITING_LIMIT && gate->asked_this_second < QUESTIONS_PER_SECOND;
}

static bool ask(struct enetjs_gate *gate, uint32_t address, uint16_t port, const uint8_t *data, size_t length,
                uint32_t now) {
  struct waiting *question;
  if (!may_ask(gate, now)) return false;
  question = malloc(sizeof(*question) + length);
  if (!question) return false;
  question->address = address;
  question->port = port;
  question->length = length;
  if (length > 0) memcpy(question->data, data, length);
  push(&gate->questions, question);
  gate->waiting++;
  gate->asked_this_second++;
  return true;
}

static void ask_about_new(struct enetjs_gate *gate, uint32_t address, const ENetHost *enet, uint32_t now) {
  uint16_t port = enet->receivedAddress.port;
  struct entry *entry = place_for(gate, address, port, now);
  size_t length = gate->passes ? enet->receivedDataLength : 0;
  if (!entry || !ask(gate, address, port, enet->receivedData, length, now)) return;
  entry->address = address;
  entry->port = port;
  entry->verdict = ASKED;
  entry->asked_again = false;
  entry->seen_at = now;
}

bool enetjs_gate_admits(struct enetjs_gate *gate, const ENetHost *enet, uint32_t address) {
  uint16_t port = enet->receivedAddress.port;
  uint32_t now = enet_time_get();
  struct entry *entry = find(gate, address, port);
  if (!entry) {
    ask_about_new(gate, address, enet, now);
    return false;
  }
  entry->seen_at = now;
  if (entry->verdict != ASKED && !entry->asked_again && now - entry->answered_at >= ANSWER_LIFETIME_MS)
    entry->asked_again = ask(gate, address, port, NULL, 0, now);
  return entry->verdict == ALLOWED;
}

bool enetjs_gate_asks(const struct enetjs_gate *gate) { return gate && gate->questions.head; }

uint64_t enetjs_gate_question(const struct enetjs_gate *gate) {
  const struct waiting *question = gate->questions.head;
  return (uint64_t)question->address << 16 | question->port;
}

void enetjs_gate_decide(struct enetjs_gate *gate, bool allowed) {
  struct waiting *question = shift(&gate->questions);
  struct entry *entry = find(gate, question->address, question->port);
  if (entry) {
    entry->verdict = allowed ? ALLOWED : DENIED;
    entry->asked_again = false;
    entry->answered_at = enet_time_get();
  }
  if (allowed && question->length > 0) {
    push(&gate->passing, question);
  } else {
    gate->waiting--;
    free(question);
  }
}

/* ---- What has waited and may pass ------------------------------------------------------------ */

size_t enetjs_gate_take(struct enetjs_gate *gate, ENetAddress *address, ENetBuffer *buffer) {
  struct waiting *passing = shift(&gate->passing);
  size_t length;
  if (!passing) return 0;
  length = passing->length; /* ENet's buffer has not become smaller since it was read from it */
  memcpy(buffer->data, passing->data, length);
  if (address) {
    address->host = ENET_HOST_TO_NET_32(passing->address);
    address->port = passing->port;
  }
  gate->waiting--;
  free(passing);
  return length;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void list_clear(struct waiting_list *list) {
  struct waiting *item;
  while ((item = shift(list)) != NULL) free(item);
}

void enetjs_gate_destroy(struct enetjs_gate *gate) {
  if (!gate) return;
  list_clear(&gate->questions);
  list_clear(&gate->passing);
  free(gate);
}

struct enetjs_gate *enetjs_gate_create(bool passes) {
  struct enetjs_gate *gate = calloc(1, sizeof(*gate));
  if (!gate) return NULL;
  gate->passes = passes;
  enetjs_random(&gate->seed, sizeof(gate->seed));
  gate->second_began = enet_time_get();
  return gate;
}
