/**
 * @file generator.h
 * @brief Invents steps: handshakes that succeed, commands that nearly fit, and attacks that go on.
 *
 * Each endpoint keeps a mood for some hundred datagrams, so that an attack gets far and states are
 * deep. Numbers are drawn near those that matter: the next in order, the edges of windows, powers of
 * two. One seed gives one sequence of steps, with one compiler (which orders the arguments of calls).
 */
#ifndef ENETJS_TESTS_FUZZ_GENERATOR_H
#define ENETJS_TESTS_FUZZ_GENERATOR_H

#include "subject.h"

#define KEPT 16 /* datagrams that may be sent again */

enum mood {
  MOOD_HONEST,
  MOOD_RUSH,      /* honest too, and soon once round all sequence numbers */
  MOOD_GAPS,      /* reliable messages behind a missing one */
  MOOD_EMPTY,     /* the same without bytes, as many as fit */
  MOOD_BOMB,      /* many fragments announced, of few bytes */
  MOOD_PARTS,     /* fragments whose message is never complete */
  MOOD_AHEAD,     /* unreliable ones that wait for a reliable one */
  MOOD_GROUPS,    /* unsequenced ones */
  MOOD_CONTROL,   /* limits, throttles, pings, what belongs to a handshake */
  MOOD_REVOLVING, /* comes, fills what it may, goes, comes again */
  MOOD_CHAOS,     /* any command with any field */
  MOOD_AGAIN,     /* what was sent before, damaged */
  MOOD_COUNT
};

struct body {
  uint8_t bytes[SYSTEM_DATAGRAM];
  size_t length, limit;
};

static struct {
  uint64_t random;
  uint32_t current; /* the endpoint of the datagrams of late */
  unsigned current_left;
  uint32_t connect_id;
  unsigned channels;
  bool stalls; /* the program takes next to nothing */
  struct body body, kept[KEPT];
} generator;

static uint32_t below(uint32_t limit) { return test_random_below(&generator.random, limit); }
static bool chance(uint32_t percent) { return below(100) < percent; }

/** Small, near a power of two, or anything. */
static uint32_t odd_number(void) {
  switch (below(4)) {
    case 0: return below(4);
    case 1: return below(2000);
    case 2: return (1u << below(32)) - below(3);
    default: return test_random_u32(&generator.random);
  }
}

/** A sequence number that stands in some relation to the last one. */
static uint16_t near_sequence(uint16_t last) {
  const uint32_t window = ENET_PEER_RELIABLE_WINDOW_SIZE;
  switch (below(8)) {
    case 0: return (uint16_t)(last + 1);
    case 1: return last;
    case 2: return (uint16_t)(last + 2 + below(64));
    case 3: return (uint16_t)(last - below(64));
    case 4: return (uint16_t)(last / window * window + below(17) * window - 2 + below(4));
    case 5: return (uint16_t)(last + below(ENET_PEER_FREE_RELIABLE_WINDOWS + 1) * window + below(3) - 1);
    case 6: return (uint16_t)odd_number();
    default: return (uint16_t)(last + below(7 * window));
  }
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void put(uint32_t value, unsigned bytes) {
  struct body *b = &generator.body;
  for (unsigned i = bytes; i-- > 0;) b->bytes[b->length++] = (uint8_t)(value >> 8 * i);
}

static bool fits(size_t bytes) { return generator.body.length + bytes <= generator.body.limit; }

static void put_command(uint32_t command, uint32_t channel, uint32_t sequence) {
  put(command, 1);
  put(channel, 1);
  put(sequence, 2);
}

static void put_payload(size_t length) {
  memset(generator.body.bytes + generator.body.length, (int)length & 0xFF, length);
  generator.body.length += length;
}

static uint32_t some_channel(void) {
  return below(generator.channels < WORLD_CHANNELS ? generator.channels : WORLD_CHANNELS);
}

/** The sequence number of a message that waits for one before it, mostly. */
static uint16_t ahead_of(uint16_t last, uint32_t by) {
  return chance(80) ? (uint16_t)(last + by) : near_sequence(last);
}

static void put_reliable(uint32_t channel, uint16_t sequence, size_t length) {
  if (!fits(6 + length)) return;
  put_command(ENET_PROTOCOL_COMMAND_SEND_RELIABLE | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, channel,
              sequence);
  put((uint32_t)length, 2);
  put_payload(length);
}

static void put_unreliable(uint32_t channel, uint16_t sequence, uint16_t unreliable, size_t length) {
  if (!fits(8 + length)) return;
  put_command(ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE, channel, sequence);
  put(unreliable, 2);
  put((uint32_t)length, 2);
  put_payload(length);
}

static void put_unsequenced(uint32_t channel, uint16_t group, size_t length) {
  if (!fits(8 + length)) return;
  put_command(ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED, channel, 0);
  put(group, 2);
  put((uint32_t)length, 2);
  put_payload(length);
}

struct fragment {
  uint16_t start, sequence;
  uint32_t count, number, total, offset;
  size_t length;
};

static void put_fragment(uint32_t command, uint32_t channel, const struct fragment *f) {
  if (!fits(24 + f->length)) return;
  put_command(command, channel, f->sequence);
  put(f->start, 2);
  put((uint32_t)f->length, 2);
  put(f->count, 4);
  put(f->number, 4);
  put(f->total, 4);
  put(f->offset, 4);
  put_payload(f->length);
}

static void put_anything(void) {
  static const uint8_t flags[] = {0, 0x40, 0x80, 0x80, 0x80, 0xC0};
  uint32_t number = below(ENET_PROTOCOL_COMMAND_COUNT + 1);
  size_t size =
      number > 0 && number < ENET_PROTOCOL_COMMAND_COUNT ? enet_protocol_command_size((uint8_t)number) : 20;
  const struct endpoint *e = &world.endpoint[generator.current];
  uint32_t channel = chance(10) ? 0xFF : chance(5) ? odd_number() : some_channel();
  if (number == ENET_PROTOCOL_COMMAND_DISCONNECT && chance(90)) number = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  if (!fits(size + 1500)) return;
  put_command(number | flags[below(sizeof(flags))], channel & 0xFF,
              near_sequence(e->reliable[channel % WORLD_CHANNELS]));
  for (size_t i = 4; i < size; i += 2) put(chance(50) ? near_sequence(e->reliable[0]) : odd_number(), 2);
  if (number >= ENET_PROTOCOL_COMMAND_SEND_RELIABLE && chance(60)) put_payload(below(200));
}

/* ---- Moods: each fills a datagram ------------------------------------------------------------ */

static size_t small_length(void) { return chance(70) ? below(64) : below(1200); }

static void fill_honest(struct endpoint *e) {
  uint32_t commands = 1 + below(5), channel = some_channel();
  while (commands-- > 0) {
    if (chance(50)) {
      e->unreliable[channel] = 0;
      put_reliable(channel, ++e->reliable[channel], small_length());
    } else if (chance(60)) {
      put_unreliable(channel, e->reliable[channel], ++e->unreliable[channel], small_length());
    } else {
      put_unsequenced(channel, ++e->group, small_length());
    }
  }
}

/* One fragment after the other of a message, all of it in time. */
static void fill_whole(struct endpoint *e, uint32_t channel) {
  struct fragment f = {.start = (uint16_t)(e->reliable[channel] + 1), .length = 500, .count = 2 + below(2)};
  f.total = f.count * 500 - below(500);
  for (; f.number < f.count; f.number++) {
    f.sequence = (uint16_t)(f.start + f.number);
    f.offset = f.number * 500;
    if (f.offset + f.length > f.total) f.length = f.total - f.offset;
    put_fragment(ENET_PROTOCOL_COMMAND_SEND_FRAGMENT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, channel, &f);
  }
  e->reliable[channel] = (uint16_t)(e->reliable[channel] + f.count);
  e->unreliable[channel] = 0;
}

static void fill_rush(struct endpoint *e) {
  uint32_t channel = some_channel() % 2;
  e->unreliable[channel] = 0;
  while (fits(6)) put_reliable(channel, ++e->reliable[channel], 0);
}

static void fill_gaps(struct endpoint *e) {
  uint32_t commands = 1 + below(8), channel = some_channel();
  while (commands-- > 0) {
    uint16_t sequence = ahead_of(e->reliable[channel], 2 + below(3000));
    put_reliable(channel, sequence, chance(30) ? 1000 : small_length());
  }
}

/* In falling order now and then, for which ENet's search is longest. */
static void fill_empty(struct endpoint *e) {
  uint32_t channel = some_channel(), at = 2 + below(20000), kind = below(3);
  uint16_t behind = (uint16_t)(e->reliable[channel] + (kind == 1 ? 1 : at % 64));
  bool falling = chance(50);
  for (uint32_t i = 0; i < 230 && fits(8); i++) {
    uint32_t step = falling ? 230 - i : i;
    if (kind == 0)
      put_reliable(channel, (uint16_t)(e->reliable[channel] + at + step), 0);
    else
      put_unreliable(channel, behind, (uint16_t)(at * 3 + step), 0);
  }
}

static void fill_bomb(struct endpoint *e) {
  uint32_t channel = some_channel();
  bool reliable = chance(60);
  while (fits(40) && chance(85)) {
    struct fragment f = {.length = below(3)};
    f.start = (uint16_t)(e->reliable[channel] + (chance(90) ? 2 + below(5000) : 1));
    f.sequence = reliable ? f.start : (uint16_t)(e->reliable[channel] + below(3));
    f.count = chance(70) ? ENET_PROTOCOL_MAXIMUM_FRAGMENT_COUNT - below(3) : odd_number();
    f.number = chance(80) ? below(32) : odd_number();
    f.total = chance(70) ? 1 + below(8) : odd_number() % 70000;
    f.offset = chance(80) ? 0 : below(8);
    put_fragment(reliable ? ENET_PROTOCOL_COMMAND_SEND_FRAGMENT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE
                          : ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT,
                 channel, &f);
  }
}

static void fill_parts(struct endpoint *e) {
  uint32_t channel = some_channel(), commands = 1 + below(4);
  while (commands-- > 0) {
    uint32_t part = 1 + (uint32_t)small_length(), count = 2 + below(chance(10) ? 4000 : 30);
    bool reliable = chance(60);
    struct fragment f = {
        .count = count, .total = (count - 1) * part + 1 + below(part), .number = below(count)};
    f.start = reliable ? (uint16_t)(e->reliable[channel] + 1 + (chance(20) ? 0 : below(200)))
                       : (uint16_t)below(200);
    f.sequence = reliable ? (uint16_t)(f.start + f.number) : (uint16_t)(e->reliable[channel] + below(4));
    f.offset = f.number * part;
    f.length = f.number == count - 1 ? f.total - f.offset : part;
    if (chance(5)) f.length = small_length();
    put_fragment(reliable ? ENET_PROTOCOL_COMMAND_SEND_FRAGMENT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE
                          : ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT,
                 channel, &f);
  }
}

static void fill_ahead(struct endpoint *e) {
  uint32_t channel = some_channel(), commands = 1 + below(10);
  while (commands-- > 0) {
    uint16_t sequence = ahead_of(e->reliable[channel], 1 + below(3));
    uint16_t unreliable = near_sequence(e->unreliable[channel]++);
    put_unreliable(channel, sequence, unreliable, small_length());
  }
}

static void fill_groups(struct endpoint *e) {
  uint32_t channel = some_channel(), commands = 1 + below(10);
  while (commands-- > 0) {
    uint16_t group = chance(70) ? e->group++ : (uint16_t)(e->group + 1024 * below(120));
    put_unsequenced(channel, group, small_length());
  }
}

static void fill_control(struct endpoint *e) {
  static const uint8_t commands[] = {ENET_PROTOCOL_COMMAND_PING,
                                     ENET_PROTOCOL_COMMAND_BANDWIDTH_LIMIT,
                                     ENET_PROTOCOL_COMMAND_THROTTLE_CONFIGURE,
                                     ENET_PROTOCOL_COMMAND_ACKNOWLEDGE,
                                     ENET_PROTOCOL_COMMAND_VERIFY_CONNECT,
                                     ENET_PROTOCOL_COMMAND_CONNECT};
  for (uint32_t left = 1 + below(chance(10) ? 300 : 4); left > 0 && fits(60); left--) {
    uint32_t number = commands[below(below(3) ? 4 : sizeof(commands))];
    size_t size = enet_protocol_command_size((uint8_t)number);
    put_command(number | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, ++e->control);
    for (size_t i = 4; i < size; i += 2) put(odd_number(), 2);
  }
}

static void fill_revolving(struct endpoint *e) {
  uint32_t channel = some_channel();
  e->unreliable[channel] = 0;
  put_reliable(channel, ++e->reliable[channel], chance(80) ? 1200 : 0);
}

static void fill_again(void) {
  struct body *b = &generator.body;
  const struct body *other = &generator.kept[below(KEPT)];
  *b = generator.kept[below(KEPT)];
  for (uint32_t changes = below(4); changes > 0; changes--) {
    size_t at = b->length ? below((uint32_t)b->length) : 0;
    switch (below(4)) {
      case 0: b->length = at; break;
      case 1: b->bytes[at] ^= (uint8_t)(1u << below(8)); break;
      case 2: b->bytes[at] = (uint8_t)odd_number(); break;
      default:
        if (other->length <= at) break;
        memcpy(b->bytes + at, other->bytes + at, other->length - at);
        b->length = other->length;
    }
  }
}

static void fill(struct endpoint *e) {
  switch ((enum mood)e->mood) {
    case MOOD_HONEST:
      if (chance(20))
        fill_whole(e, some_channel());
      else
        fill_honest(e);
      break;
    case MOOD_RUSH: fill_rush(e); break;
    case MOOD_GAPS: fill_gaps(e); break;
    case MOOD_EMPTY: fill_empty(e); break;
    case MOOD_BOMB: fill_bomb(e); break;
    case MOOD_PARTS: fill_parts(e); break;
    case MOOD_AHEAD: fill_ahead(e); break;
    case MOOD_GROUPS: fill_groups(e); break;
    case MOOD_CONTROL: fill_control(e); break;
    case MOOD_REVOLVING: fill_revolving(e); break;
    case MOOD_AGAIN: fill_again(); break;
    default:
      for (uint32_t commands = 1 + below(4); commands > 0; commands--) put_anything();
  }
  if (e->mood != MOOD_AGAIN && chance(10)) fill_honest(e);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void do_step(enum step_kind kind, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  struct step step = {.kind = kind, .a = a, .b = b, .c = c, .d = d};
  subject_do(&step);
}

static void do_body(uint32_t index, uint32_t change, uint32_t age, uint32_t flags) {
  const struct body *b = &generator.body;
  struct step step = {.kind = STEP_FROM, .a = index, .b = change, .c = age, .d = flags};
  step.length = b->length;
  step.bytes = b->bytes;
  if (chance(10)) generator.kept[below(KEPT)] = *b;
  subject_do(&step);
}

static void clear_body(void) {
  generator.body.length = 0;
  generator.body.limit = chance(90) ? 1400 : chance(90) ? 4080 : SYSTEM_DATAGRAM - 8;
}

/* A datagram of a connected endpoint, with something wrong about its header now and then. */
static void send_from(uint32_t index, struct endpoint *e) {
  uint32_t change = 0, flags = 0;
  clear_body();
  fill(e);
  if (chance(2)) change = 1u << below(16);
  if (chance(2)) flags |= COMPOSE_BAD_CHECKSUM;
  if (chance(8)) flags |= COMPOSE_HOLD;
  if (chance(8)) flags |= COMPOSE_COMPRESS;
  if (chance(1)) flags |= (1 + below(WORLD_READERS)) << COMPOSE_AS_SHIFT;
  do_body(index, change, chance(5) ? odd_number() : below(20), flags);
}

static void greet(uint32_t index) {
  struct endpoint *e = &world.endpoint[index];
  uint32_t id = e->standing == GREETED && chance(70) ? e->connect_id : ++generator.connect_id;
  do_step(STEP_HELLO, index, chance(95) ? generator.channels : odd_number(), id,
          chance(90) ? 0 : odd_number());
}

/*
 * What the host thinks of it: for deep states, most of what is sent should be to a connection that is there.
 */
static const ENetPeer *peer_of(const struct endpoint *e) {
  for (size_t i = 0; i < world.enet->peerCount; i++) {
    const ENetPeer *peer = &world.enet->peers[i];
    if (peer->connectID == e->connect_id && peer->state == ENET_PEER_STATE_CONNECTED) return peer;
  }
  return NULL;
}

/* Goes on from where the host is, whatever has become of the rest. */
static void follow(struct endpoint *e, const ENetPeer *peer) {
  for (size_t i = 0; i < peer->channelCount && i < WORLD_CHANNELS; i++) {
    e->reliable[i] = peer->channels[i].incomingReliableSequenceNumber;
    e->unreliable[i] = peer->channels[i].incomingUnreliableSequenceNumber;
  }
}

static void change_mood(struct endpoint *e) {
  if (e->mood_left-- > 0) return;
  e->mood = below(3) == 0 ? MOOD_HONEST : below(MOOD_COUNT);
  /* they take long */
  if ((e->mood == MOOD_RUSH || e->mood == MOOD_EMPTY) && chance(70)) e->mood = MOOD_HONEST;
  e->mood_left = 10 + below(600);
}

/* Many messages that wait for one that is missing. */
static void send_row(uint32_t index, const struct endpoint *e) {
  uint32_t channel = some_channel(), next = (uint16_t)(e->reliable[channel] + 1), kind = below(2);
  uint32_t first = kind == ROW_RELIABLE ? next + 1 + below(3) : next;
  do_step(STEP_ROW, index, below(3) ? below(3000) : below(60000), first, kind + channel * ROW_CHANNEL);
}

static void of_joined(uint32_t index, struct endpoint *e) {
  const ENetPeer *peer = peer_of(e);
  if (!peer) {
    if (chance(10)) {
      greet(index);
      return;
    }
    if (chance(10)) {
      do_step(STEP_LEAVE, index, below(2), 0, 0); /* perhaps while the host says the same */
      return;
    }
  } else if (chance(5)) {
    follow(e, peer);
  }
  change_mood(e);
  if (e->mood == MOOD_EMPTY && chance(2)) send_row(index, e);
  if (e->pending > 0 && chance(25))
    do_step(STEP_ACK, index, 1 + below(WORLD_PENDING), chance(95) ? 0 : odd_number(), 0);
  else if (below(e->mood == MOOD_REVOLVING ? 60 : 1500) == 0)
    do_step(STEP_LEAVE, index, below(2), 0, 0);
  else
    send_from(index, e);
}

static void of_reader(void) {
  uint32_t index = generator.current;
  struct endpoint *e = &world.endpoint[index];
  if (generator.current_left-- == 0) {
    generator.current = below(WORLD_READERS);
    generator.current_left = below(64);
  }
  if (e->standing == JOINED)
    of_joined(index, e);
  else if (e->standing == CALLED && chance(80))
    do_step(STEP_VERIFY, index, chance(95) ? 0 : odd_number(), chance(95) ? generator.channels : odd_number(),
            0);
  else if (e->standing == GREETED && e->pending > 0 && chance(80))
    do_step(STEP_ACK, index, WORLD_PENDING, 0, 0);
  else if (chance(80))
    greet(index);
  else
    send_from(index, e);
}

/* An acknowledgement of what it has not read. */
static void guess(uint32_t index) {
  uint32_t word = below(8) | below(4) << ENET_PROTOCOL_HEADER_SESSION_SHIFT;
  clear_body();
  put_command(ENET_PROTOCOL_COMMAND_ACKNOWLEDGE, 0xFF, 1);
  put(1, 2);
  put(world_time() - below(2) * 0x8000u, 2);
  fill_honest(&world.endpoint[index]);
  do_body(index, ENET_PROTOCOL_MAXIMUM_PEER_ID ^ word, 0, 0);
}

static void of_stranger(void) {
  uint32_t index = WORLD_READERS + below(WORLD_ENDPOINTS - WORLD_READERS), kind = below(10);
  if (chance(30)) index = WORLD_READERS + below(4);
  if (kind < 5) {
    greet(index);
  } else if (kind < 8) {
    world.endpoint[index].standing = STRANGE;
    guess(index);
  } else {
    clear_body();
    put_payload(below(kind == 8 ? 40 : 1400));
    for (size_t i = 0; i < generator.body.length; i++) generator.body.bytes[i] = (uint8_t)below(256);
    do_body(index, 0, 0, COMPOSE_RAW);
  }
}

static void pass_time(void) {
  switch (below(40)) {
    case 0: do_step(STEP_TIME, 31000, 0, 0, 0); break;
    case 1: do_step(STEP_TIME, 1000 + below(5000), 0, 0, 0); break;
    case 2: do_step(STEP_WALL, below(7200), 3600, 0, 0); break;
    case 3:
      if (chance(5)) do_step(STEP_TIME, odd_number(), 0, 0, 0);
      break;
    case 4:
    case 5:
    case 6: do_step(STEP_TIME, 100 + below(900), 0, 0, 0); break;
    default: do_step(STEP_TIME, below(20), below(1000), 0, 0);
  }
}

static void call_something(void) {
  static const uint8_t rare[] = {CALL_RESET, CALL_DENY, CALL_FILTER, CALL_SET, CALL_DISCONNECT, CALL_TIMEOUT};
  uint32_t call = below(CALL_COUNT);
  for (size_t i = 0; i < sizeof(rare); i++)
    if (call == rare[i] && chance(70)) call = below(2) ? CALL_SEND : CALL_DECIDE;
  if (call == CALL_FILTER && chance(70))
    do_step(STEP_CALL, call, 0, 0, 0); /* away more often than there, or nobody would get in */
  else
    do_step(STEP_CALL, call, below(WORLD_READERS * 4), odd_number(), odd_number());
}

static void change_consumer(void) {
  static const uint16_t takes[] = {0, 0, 1, 3, 1000, 1000, 1000};
  do_step(STEP_TAKE, takes[below(generator.stalls ? 3 : 7)], 0, 0, 0);
}

static void fail_something(void) {
  static const int receive[] = {0, ECONNREFUSED, EINTR}, send[] = {0, EAGAIN, EPERM, EIO, EMSGSIZE, ENOBUFS};
  do_step(STEP_FAULT, (uint32_t)receive[below(3)], (uint32_t)send[below(6)], 0, 0);
}

static void generate_open(void) {
  uint8_t setting[SETTING_COUNT];
  struct step step = {.kind = STEP_OPEN,
                      .a = chance(20) ? UINT32_MAX - below(100000) : 1000 + below(1 << 20)};
  setting[SETTING_PEERS] = (uint8_t)(chance(30) ? 1 : chance(70) ? 2 + below(11) : 1 + below(40));
  setting[SETTING_CHANNELS] = (uint8_t)(1 + below(8));
  setting[SETTING_MTU] = (uint8_t)(chance(70) ? 87 : 36 + below(220));
  setting[SETTING_SWITCHES] =
      (uint8_t)((chance(25) ? SWITCH_COMPRESS : 0) | (chance(25) ? SWITCH_CHECKSUM : 0) |
                (chance(25) ? SWITCH_DATAGRAMS : 0) | (chance(5) ? SWITCH_UNBOUND : 0) |
                (chance(80) ? SWITCH_JOINS : 0) | (chance(40) ? SWITCH_IPV6 : 0));
  setting[SETTING_EVENTS] = (uint8_t)(4 + below(5));
  setting[SETTING_ARENA] = (uint8_t)(12 + below(6));
  setting[SETTING_WAITING_KIB] = (uint8_t)(chance(80) ? 64 : 1 + below(255));
  setting[SETTING_PACKET_KIB] = (uint8_t)(chance(80) ? 64 : 1 + below(255));
  setting[SETTING_DUPLICATES] = (uint8_t)(chance(80) ? 255 : 1 + below(4));
  setting[SETTING_SCALE] = (uint8_t)(chance(80) ? 0 : below(9));
  step.b = test_random_u32(&generator.random);
  step.c = chance(85) ? 0 : odd_number();
  step.d = chance(85) ? 0 : odd_number();
  step.length = sizeof(setting);
  step.bytes = setting;
  generator.channels = setting[SETTING_CHANNELS];
  subject_do(&step);
}

static void generate_start(uint64_t seed) {
  memset(&generator, 0, sizeof(generator));
  generator.random = seed;
  test_random_u32(&generator.random);
  generate_open();
  generator.stalls = chance(20);
  if (generator.stalls) change_consumer();
}

static void generate_step(void) {
  uint32_t kind = below(1000);
  if (kind < 40)
    pass_time();
  else if (kind < 70)
    call_something();
  else if (kind < 73)
    change_consumer();
  else if (kind < 76)
    fail_something();
  else if (kind < 150)
    of_stranger();
  else
    of_reader();
}

#endif
