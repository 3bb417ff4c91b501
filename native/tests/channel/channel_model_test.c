/*
 * The protocol of a channel's ring, checked in every interleaving of its two ends for a small ring.
 *
 * The model has the steps of channel/ring.c, one for each access to shared memory that is sequentially
 * consistent; what is written between two of them is published by the later one. Each end is a program
 * counter and its variables. Messages have all sizes, and are plain or offered; an offer may be withdrawn at
 * any time. All states that can be reached are visited, and in each of them:
 *
 * - what the producer writes over has been freed, and what the consumer reads is whole;
 * - messages come in order, none twice, none lost but those withdrawn, and these never;
 * - if neither end can go on, everything has been consumed: no wake-up is lost.
 *
 * The same search has to find what is wrong with four protocols that leave out one thing each.
 */
#include <string.h>

#include "../harness.h"

#define SIZE 4     /* units of the ring; a record has 1 to SIZE */
#define MODULUS 16 /* of HEAD and TAIL, so that they wrap too */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MESSAGES 3 /* the search has one thread and no pointers: all states are visited without sanitizers */
#else
#define MESSAGES 4
#endif
#define FREE 0xFF

enum kind { PLAIN, OFFERED, TAKEN, WITHDRAWN };
enum wish { NOTHING, ANY, HALF, EMPTY };
enum producer_step { FIND, WRITE, PUBLISH, LOOK, WAKE, WISH, FIND_AGAIN, SLEEP, WITHDRAW, DONE };
enum consumer_step {
  SEE,
  TAKE,
  READ,
  STORE_TAIL,
  LOOK_WISH,
  GRANT,
  ASK,
  SEE_AGAIN,
  UNASK,
  REST,
  AWAKE,
};

/* What is wrong with the protocol. */
enum flaw { NONE, NO_SECOND_LOOK_BY_CONSUMER, NO_SECOND_LOOK_BY_PRODUCER, NO_WRAP, BLIND_WITHDRAWAL };

struct state {
  /* Shared. */
  uint8_t head, tail, wrap, producer_waits, consumer_waits;
  /* which message a unit of the ring holds, or FREE once that is consumed */
  uint8_t cell[SIZE];
  uint8_t lengths[SIZE], kinds[SIZE]; /* of the record that begins at a unit */
  /* Producer. */
  uint8_t step, count, at, number, need, skip, offer, offer_at, offer_end, producer_token;
  /* Consumer. */
  uint8_t consumer_step, consumer_count, consumer_at, advance, expected, consumer_token;
  uint8_t withdrawn; /* which of the messages not yet expected, as bits of their numbers */
};

static struct {
  struct state *items;
  uint32_t *slots;
  uint32_t count, capacity, mask;
  enum flaw flaw;
  const char *error;
} search;

static uint8_t used(uint8_t head, uint8_t tail) { return (uint8_t)((head - tail) & (MODULUS - 1)); }

static uint32_t hash(const struct state *s) {
  const uint8_t *bytes = (const uint8_t *)s;
  uint32_t value = 2166136261u;
  for (size_t i = 0; i < sizeof(*s); i++) value = (value ^ bytes[i]) * 16777619u;
  return value ^ value >> 15;
}

static void wrong(const char *what) {
  if (!search.error) search.error = what;
}

/* Adds a state that has not been seen. */
static void add(const struct state *s) {
  uint32_t slot = hash(s) & search.mask;
  for (; search.slots[slot]; slot = (slot + 1) & search.mask)
    if (memcmp(&search.items[search.slots[slot] - 1], s, sizeof(*s)) == 0) return;
  if (search.count == search.capacity) {
    wrong("more states than there is room for");
    return;
  }
  search.items[search.count++] = *s;
  search.slots[slot] = search.count;
}

/* ---- Producer -------------------------------------------------------------------------------- */

static bool find(struct state *s) {
  uint8_t in_use = used(s->count, s->tail), rest = (uint8_t)(SIZE - s->at);
  s->skip = s->need > rest ? rest : 0;
  return in_use == 0 || in_use + s->skip + s->need <= SIZE;
}

static void write_record(struct state *s, uint8_t kind) {
  if (s->skip) s->at = 0;
  if (s->at == 0 && search.flaw != NO_WRAP) s->wrap = s->count;
  for (uint8_t i = 0; i < s->need; i++) {
    if (s->cell[s->at + i] != FREE) wrong("a message that has not been consumed is written over");
    s->cell[s->at + i] = s->number;
  }
  s->lengths[s->at] = s->need;
  s->kinds[s->at] = kind;
  s->count = (uint8_t)((s->count + s->skip + s->need) & (MODULUS - 1));
  s->offer = kind == OFFERED;
  s->offer_at = s->at;
  s->offer_end = s->count;
  s->at = (uint8_t)((s->at + s->need) % SIZE);
  s->skip = 0;
}

/* The next message, of each size. */
static void begin_message(struct state s) {
  s.offer = s.offer_at = s.offer_end = 0;
  s.need = 0;
  if (++s.number == MESSAGES) {
    s.step = DONE;
    add(&s);
    return;
  }
  s.step = FIND;
  for (s.need = 1; s.need <= SIZE; s.need++) add(&s);
}

static void after_publishing(struct state s) {
  if (s.offer) {
    struct state other = s;
    other.step = WITHDRAW;
    add(&other);
  }
  begin_message(s);
}

static void withdraw(struct state s) {
  /* TAIL is at or behind the record's end: it has been consumed. */
  bool gone = used(s.tail, s.offer_end) < MODULUS / 2;
  if (search.flaw == BLIND_WITHDRAWAL) {
    s.kinds[s.offer_at] = WITHDRAWN;
    s.withdrawn |= (uint8_t)(1u << s.number);
  } else if (!gone && s.kinds[s.offer_at] == OFFERED) {
    s.kinds[s.offer_at] = WITHDRAWN;
    s.withdrawn |= (uint8_t)(1u << s.number);
  }
  if (s.withdrawn >> s.number & 1 && s.expected > s.number)
    wrong("a message that was withdrawn has been taken");
  begin_message(s);
}

/* For room, or that of an outlet in TypeScript that has offers. */
static void wish(const struct state *s) {
  struct state room = *s, any = *s;
  room.step = any.step = search.flaw == NO_SECOND_LOOK_BY_PRODUCER ? SLEEP : FIND_AGAIN;
  any.producer_waits = ANY;
  room.producer_waits = used(s->count, s->tail) * 2 <= SIZE ? EMPTY : HALF;
  add(&room);
  add(&any);
}

static bool step_producer(const struct state *before) {
  struct state s = *before;
  switch (s.step) {
    case FIND:
    case FIND_AGAIN: s.step = find(&s) ? WRITE : s.step == FIND ? WISH : SLEEP; break;
    case WRITE: {
      struct state offered = s;
      offered.step = s.step = PUBLISH;
      write_record(&offered, OFFERED);
      add(&offered);
      write_record(&s, PLAIN);
      break;
    }
    case PUBLISH:
      s.head = s.count;
      s.step = LOOK;
      break;
    case LOOK:
      if (!s.consumer_waits) {
        after_publishing(s);
        return true;
      }
      s.step = WAKE;
      break;
    case WAKE:
      s.consumer_token |= s.consumer_waits;
      s.consumer_waits = 0;
      after_publishing(s);
      return true;
    case WISH: wish(&s); return true;
    case SLEEP:
      if (!s.producer_token) return false;
      s.producer_token = 0;
      s.step = FIND;
      break;
    case WITHDRAW: withdraw(s); return true;
    default: return false;
  }
  add(&s);
  return true;
}

/* ---- Consumer -------------------------------------------------------------------------------- */

/* The record has been taken: it must be whole, and the next that was not withdrawn. */
static void deliver(struct state *s) {
  uint8_t number = s->cell[s->consumer_at];
  while (s->withdrawn >> s->expected & 1) s->expected++;
  if (number != s->expected) wrong("a message is lost, comes twice or out of order");
  s->expected++;
}

static void free_cells(struct state *s, uint8_t length) {
  for (uint8_t i = 0; i < length; i++) {
    if (s->cell[s->consumer_at + i] != s->cell[s->consumer_at]) wrong("a message is not whole");
  }
  memset(&s->cell[s->consumer_at], FREE, length);
  s->lengths[s->consumer_at] = s->kinds[s->consumer_at] = 0;
}

static void see(struct state *s, enum consumer_step otherwise) {
  if (used(s->head, s->consumer_count) == 0) {
    s->consumer_step = otherwise;
  } else if (otherwise == REST) {
    s->consumer_step = UNASK;
  } else if (s->consumer_at != 0 && s->wrap == s->consumer_count) {
    s->advance = (uint8_t)(SIZE - s->consumer_at);
    s->consumer_step = STORE_TAIL;
  } else {
    s->consumer_step = TAKE;
  }
}

static void take(struct state *s) {
  uint8_t *kind = &s->kinds[s->consumer_at];
  if (s->cell[s->consumer_at] == FREE || s->lengths[s->consumer_at] > SIZE - s->consumer_at) {
    wrong("the consumer reads what is no record");
    return;
  }
  s->advance = s->lengths[s->consumer_at];
  if (*kind == OFFERED) *kind = TAKEN;
  s->consumer_step = *kind == WITHDRAWN ? STORE_TAIL : READ;
}

static bool step_consumer(const struct state *before) {
  struct state s = *before;
  switch (s.consumer_step) {
    case SEE: see(&s, ASK); break;
    case TAKE: take(&s); break;
    case READ:
      deliver(&s);
      s.consumer_step = STORE_TAIL;
      break;
    case STORE_TAIL:
      if (s.consumer_at == 0 || s.wrap != s.consumer_count) free_cells(&s, s.advance);
      s.consumer_count = (uint8_t)((s.consumer_count + s.advance) & (MODULUS - 1));
      s.consumer_at = (uint8_t)((s.consumer_at + s.advance) % SIZE);
      s.advance = 0;
      s.tail = s.consumer_count;
      s.consumer_step = LOOK_WISH;
      break;
    case LOOK_WISH: {
      uint8_t in_use = used(s.head, s.consumer_count);
      bool granted = s.producer_waits == ANY || (s.producer_waits == HALF && in_use <= SIZE / 2) ||
                     (s.producer_waits == EMPTY && in_use == 0);
      s.consumer_step = granted ? GRANT : SEE;
      break;
    }
    case GRANT:
      s.producer_token |= s.producer_waits != NOTHING;
      s.producer_waits = NOTHING;
      s.consumer_step = SEE;
      break;
    case ASK:
      s.consumer_waits = 1;
      s.consumer_step = search.flaw == NO_SECOND_LOOK_BY_CONSUMER ? REST : SEE_AGAIN;
      break;
    case SEE_AGAIN: see(&s, REST); break;
    case UNASK:
      s.consumer_waits = 0;
      s.consumer_step = SEE;
      break;
    case REST:
      if (!s.consumer_token) return false;
      s.consumer_token = 0;
      s.consumer_step = AWAKE;
      break;
    case AWAKE: /* the plugin's thread takes its wish back, JavaScript does not */
      s.consumer_step = SEE;
      add(&s);
      s.consumer_step = UNASK;
      break;
  }
  add(&s);
  return true;
}

/* ---- Search ---------------------------------------------------------------------------------- */

static void check_rest(const struct state *s) {
  uint8_t expected = s->expected;
  while (s->withdrawn >> expected & 1) expected++;
  if (s->step != DONE || expected != MESSAGES) wrong("both ends sleep, and a message waits");
}

/* @returns what is wrong with the protocol, or NULL */
static const char *explore(enum flaw flaw) {
  struct state start;
  memset(&search, 0, sizeof(search));
  search.capacity = 1u << 22;
  search.mask = (1u << 23) - 1;
  search.flaw = flaw;
  search.items = malloc((size_t)search.capacity * sizeof(*search.items));
  search.slots = calloc(search.mask + 1, sizeof(*search.slots));
  CHECK(search.items && search.slots);
  memset(&start, 0, sizeof(start));
  memset(start.cell, FREE, sizeof(start.cell));
  start.number = (uint8_t)-1;
  begin_message(start);
  for (uint32_t i = 0; i < search.count && !search.error; i++) {
    struct state s = search.items[i];
    bool producer = step_producer(&s), consumer = step_consumer(&s);
    if (!producer && !consumer) check_rest(&s);
  }
  free(search.items);
  free(search.slots);
  return search.error;
}

TEST(the_protocol_is_right_in_every_interleaving) {
  const char *error = explore(NONE);
  printf("# %u states%s%s\n", search.count, error ? ": " : "", error ? error : "");
  CHECK(!error);
}

TEST(a_protocol_that_leaves_something_out_is_found_wrong) {
  for (int flaw = NO_SECOND_LOOK_BY_CONSUMER; flaw <= BLIND_WITHDRAWAL; flaw++) {
    const char *error = explore((enum flaw)flaw);
    printf("# flaw %d: %s, after %u states\n", flaw, error ? error : "not found", search.count);
    CHECK(error);
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_protocol_is_right_in_every_interleaving),
      TEST_CASE(a_protocol_that_leaves_something_out_is_found_wrong),
  };
  return test_run(cases, TEST_COUNT(cases));
}
