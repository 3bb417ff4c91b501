/*
 * Other code in the process that uses libenet: the program itself, or a second copy of this library. The test
 * loads them as a runtime loads a library, so it links none. Each case runs in a process of its own.
 */
#include "../harness.h"

#if defined(__linux__)

#include <dlfcn.h>
#include <enet/enet.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enetjs.h"

#define LOOPBACK 0x7F000001u
#define PATIENCE_MS 20000
#define MESSAGES 50
#define EVENTS 1024
#define ARENA_BYTES (1 << 18)
#define BLOCK_BYTES (ENETJS_HEADER_BYTES + ENETJS_STATS_COUNT * 8 + ENETJS_RECORD_BYTES * 2 * EVENTS + 65536)

#define UNTIL(condition, statement)                               \
  do {                                                            \
    uint64_t until_deadline = test_deadline_ms(PATIENCE_MS);      \
    while (!(condition)) {                                        \
      CHECK(!test_deadline_passed(until_deadline) && #condition); \
      statement;                                                  \
    }                                                             \
  } while (0)

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) printf("# no symbol %s: %s\n", name, dlerror());
  CHECK(found != NULL);
  return found;
}

static void *load(const char *file, int flags) {
  void *library = dlopen(file, RTLD_NOW | flags);
  if (!library) printf("# %s\n", dlerror());
  CHECK(library != NULL);
  return library;
}

#define FIND(library, result, name, ...) ((result (*)(__VA_ARGS__))(uintptr_t)symbol((library), #name))

/* ---- A host of another program --------------------------------------------------------------- */

struct plain {
  void *libenet;
  ENetHost *host;
  ENetPeer *peer; /* the last that has connected */
  unsigned connects, receives;
};

static void plain_open(struct plain *p, void *libenet) {
  ENetAddress address = {0};
  memset(p, 0, sizeof(*p));
  p->libenet = libenet;
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  CHECK_EQ_INT(FIND(libenet, int, enet_initialize, void)(), 0);
  p->host = FIND(libenet, ENetHost *, enet_host_create, const ENetAddress *, size_t, size_t, enet_uint32,
                 enet_uint32)(&address, 8, 2, 0, 0);
  CHECK(p->host != NULL);
}

static void plain_connect(struct plain *p, uint16_t port) {
  ENetAddress address = {0};
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  address.port = port;
  CHECK(FIND(p->libenet, ENetPeer *, enet_host_connect, ENetHost *, const ENetAddress *, size_t, enet_uint32)(
      p->host, &address, 2, 0));
}

static void plain_send(struct plain *p) {
  ENetPacket *packet = FIND(p->libenet, ENetPacket *, enet_packet_create, const void *, size_t, enet_uint32)(
      "from another program", 20, ENET_PACKET_FLAG_RELIABLE);
  CHECK(packet != NULL);
  CHECK_EQ_INT(
      FIND(p->libenet, int, enet_peer_send, ENetPeer *, enet_uint8, ENetPacket *)(p->peer, 0, packet), 0);
}

static void plain_poll(struct plain *p) {
  ENetEvent event;
  while (FIND(p->libenet, int, enet_host_service, ENetHost *, ENetEvent *, enet_uint32)(p->host, &event, 0) >
         0) {
    if (event.type == ENET_EVENT_TYPE_CONNECT) {
      p->connects++;
      p->peer = event.peer;
    } else if (event.type == ENET_EVENT_TYPE_RECEIVE) {
      p->receives++;
      FIND(p->libenet, void, enet_packet_destroy, ENetPacket *)(event.packet);
    }
  }
}

static void plain_close(struct plain *p) { FIND(p->libenet, void, enet_host_destroy, ENetHost *)(p->host); }

/* Two of them, connected, with a message that has not been acknowledged. */
static void plain_pair_open(struct plain *server, struct plain *client, void *libenet) {
  plain_open(server, libenet);
  plain_open(client, libenet);
  plain_connect(client, server->host->address.port);
  UNTIL(server->connects == 1 && client->connects == 1, (plain_poll(server), plain_poll(client)));
  plain_send(client);
  FIND(libenet, void, enet_host_flush, ENetHost *)(client->host);
}

/* ---- A host of ours -------------------------------------------------------------------------- */

struct ours {
  void *library;
  double host, peer;
  unsigned connects, receives;
  uint64_t block[BLOCK_BYTES / 8], arena[ARENA_BYTES / 8];
};

#define CALL(o, name) FIND((o)->library, double, name, double)((o)->host)

/* @param address LOOPBACK, or -1 for a client. @returns what enetjs_host_create did */
static double ours_open(struct ours *o, void *library, double address, bool unguarded) {
  double c[ENETJS_CONFIG_COUNT] = {0};
  memset(o, 0, sizeof(*o));
  o->library = library;
  c[ENETJS_CONFIG_ADDRESS] = address;
  c[ENETJS_CONFIG_PEERS] = 8;
  c[ENETJS_CONFIG_CHANNELS] = 2;
  c[ENETJS_CONFIG_MTU] = ENETJS_DEFAULT_MTU;
  c[ENETJS_CONFIG_DUPLICATE_PEERS] = 8;
  c[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 1 << 20;
  c[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 1 << 20;
  c[ENETJS_CONFIG_STALL_LIMIT] = 10;
  c[ENETJS_CONFIG_HIGH_WATER] = 1 << 20;
  c[ENETJS_CONFIG_EVENT_CAPACITY] = c[ENETJS_CONFIG_COMPLETION_CAPACITY] = EVENTS;
  c[ENETJS_CONFIG_ARENA_BYTES] = ARENA_BYTES;
  c[ENETJS_CONFIG_SCRATCH_BYTES] = 65536;
  c[ENETJS_CONFIG_UNGUARDED] = unguarded;
  return o->host = FIND(library, double, enetjs_host_create, const uint8_t *, double, uint8_t *, double,
                        uint8_t *, double)((uint8_t *)c, sizeof(c), (uint8_t *)o->block, BLOCK_BYTES,
                                           (uint8_t *)o->arena, ARENA_BYTES);
}

static uint16_t ours_port(struct ours *o) {
  return (uint16_t)((uint64_t)CALL(o, enetjs_host_address) & 0xFFFF);
}

static void ours_connect(struct ours *o, uint16_t port) {
  CHECK(FIND(o->library, double, enetjs_host_connect, double, double, double, double, double)(
            o->host, LOOPBACK, port, 2, 0) > 0);
}

static void ours_send(struct ours *o) {
  CHECK_EQ_INT(
      FIND(o->library, double, enetjs_peer_send_buffer, double, double, double, double, const uint8_t *,
           double, double)(o->host, o->peer, 0, ENET_PACKET_FLAG_RELIABLE, (const uint8_t *)"ours", 4, 0),
      0);
}

static void ours_service(struct ours *o) {
  CHECK(FIND(o->library, double, enetjs_host_service, double, double)(o->host, 0) >= 0);
}

static void ours_poll(struct ours *o) {
  uint32_t *words = (uint32_t *)o->block, *tail = &words[ENETJS_WORD_EVENT_TAIL];
  ours_service(o);
  words[ENETJS_WORD_COMPLETION_TAIL] = words[ENETJS_WORD_COMPLETION_HEAD];
  for (; *tail != words[ENETJS_WORD_EVENT_HEAD]; ++*tail) {
    const uint32_t *record =
        words + words[ENETJS_WORD_EVENT_OFFSET] / 4 + *tail % EVENTS * (ENETJS_RECORD_BYTES / 4);
    words[ENETJS_WORD_ARENA_TAIL] = record[ENETJS_RECORD_ARENA_TAIL];
    if ((record[ENETJS_RECORD_TYPE] & 0xFF) == ENETJS_EVENT_CONNECT) {
      o->connects++;
      o->peer = (double)record[ENETJS_RECORD_GENERATION] * ENETJS_PEER_SLOTS + record[ENETJS_RECORD_PEER];
    } else if ((record[ENETJS_RECORD_TYPE] & 0xFF) == ENETJS_EVENT_RECEIVE) {
      o->receives++;
    }
  }
}

static void ours_close(struct ours *o) { CHECK_EQ_INT(CALL(o, enetjs_host_close), 0); }

static double allocations(void *library) {
  double values[ENETJS_DIAGNOSTIC_COUNT];
  FIND(library, double, enetjs_diagnostics, uint8_t *, double)((uint8_t *)values, sizeof(values));
  return values[ENETJS_DIAGNOSTIC_ALLOCATIONS];
}

/* Messages both ways, some of which are still under way at the end. */
static void exchange(struct ours *o, struct plain *p) {
  UNTIL(o->connects == 1 && p->connects >= 1, (ours_poll(o), plain_poll(p)));
  o->receives = p->receives = 0;
  for (int i = 0; i < MESSAGES; i++) {
    ours_send(o);
    plain_send(p);
  }
  UNTIL(o->receives == MESSAGES && p->receives >= MESSAGES, (ours_poll(o), plain_poll(p)));
  ours_send(o);
  plain_send(p);
}

static void exchange_ours(struct ours *a, struct ours *b) {
  UNTIL(a->connects == 1 && b->connects == 1, (ours_poll(a), ours_poll(b)));
  for (int i = 0; i < MESSAGES; i++) {
    ours_send(a);
    ours_send(b);
  }
  UNTIL(a->receives == MESSAGES && b->receives == MESSAGES, (ours_poll(a), ours_poll(b)));
  ours_send(a);
  ours_send(b);
}

/* ---- The cases ------------------------------------------------------------------------------- */

/* Runs a case in a process of its own, in which no code has used libenet. */
static void apart(void (*run)(void)) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    test_exit = NULL; /* a check that fails ends the process */
    run();
    fflush(stdout);
    _exit(0);
  }
  CHECK_EQ_INT(waitpid(child, &status, 0), child);
  CHECK_EQ_INT(status, 0);
}

static struct ours first, second;

#ifdef ENETJS_ENET_BUILT_IN

/* Whatever libenet the program has loaded, before or after, our ENet is another. */
static void beside_a_program(int flags) {
  struct plain server, client;
  void *libenet = load(LIBENET, flags), *library;
  plain_pair_open(&server, &client, libenet);
  library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  CHECK(ours_open(&first, library, LOOPBACK, false) > 0);
  CHECK_EQ_INT(FIND(library, double, enetjs_datagrams_batched, void)(), 1);
  CHECK(allocations(library) > 0);
  plain_close(&client);
  plain_open(&client, libenet);
  plain_connect(&client, ours_port(&first));
  exchange(&first, &client);
  plain_close(&server);
  plain_close(&client);
  ours_close(&first);
  CHECK_EQ_INT(allocations(library), 0);
}

static void beside_a_program_local(void) { beside_a_program(RTLD_LOCAL); }
static void beside_a_program_global(void) { beside_a_program(RTLD_GLOBAL); }

TEST(a_program_that_uses_libenet_changes_nothing) { apart(beside_a_program_local); }
TEST(a_program_that_shares_its_libenet_changes_nothing) { apart(beside_a_program_global); }

static void nothing_exported(void) {
  static const char *const names[] = {"enet_socket_send", "enet_socket_receive", "enet_time_get",
                                      "enet_host_create", "enetjs_plain_send"};
  void *library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) CHECK(dlsym(library, names[i]) == NULL);
}

TEST(no_function_of_enet_is_exported) { apart(nothing_exported); }

#else

/* The program's hosts live in memory of the system's malloc; ours, in the same libenet, must too. */
static void after_a_program(int flags) {
  struct plain server, client;
  void *libenet = load(LIBENET, flags), *library;
  plain_pair_open(&server, &client, libenet);
  library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  CHECK_EQ_INT(ours_open(&first, library, LOOPBACK, false), ENETJS_ERR_UNGUARDED);
  CHECK(ours_open(&first, library, -1, false) > 0);
  ours_connect(&first, server.host->address.port);
  UNTIL(server.connects == 2, (plain_poll(&server), ours_poll(&first)));
  exchange(&first, &server);
  plain_close(&client);
  CHECK(ours_open(&second, library, LOOPBACK, true) > 0);
  plain_open(&client, libenet);
  plain_connect(&client, ours_port(&second));
  exchange(&second, &client);
  plain_close(&server);
  ours_close(&first);
  ours_close(&second);
  plain_close(&client);
  CHECK_EQ_INT(allocations(library), 0);
}

static void after_a_program_local(void) { after_a_program(RTLD_LOCAL); }
static void after_a_program_global(void) { after_a_program(RTLD_GLOBAL); }

TEST(a_program_that_has_used_libenet_keeps_its_memory) { apart(after_a_program_local); }
TEST(a_program_that_shares_its_libenet_keeps_its_memory) { apart(after_a_program_global); }

/* It begins to use libenet when this library has been loaded, and before that has a host. */
static void before_a_program(void) {
  struct plain server, client;
  void *library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  plain_pair_open(&server, &client, load(LIBENET, RTLD_LOCAL));
  CHECK(ours_open(&first, library, LOOPBACK, false) > 0);
  plain_close(&server);
  plain_close(&client);
  plain_open(&client, load(LIBENET, RTLD_LOCAL));
  plain_connect(&client, ours_port(&first));
  exchange(&first, &client);
  ours_close(&first);
  plain_close(&client);
  CHECK_EQ_INT(allocations(library), 0);
}

TEST(a_program_that_uses_libenet_later_shares_our_memory) { apart(before_a_program); }

/* Whether all that the program has sent has been acknowledged. */
static bool is_acknowledged(const struct plain *p) {
  return p->peer->sentReliableCommands.sentinel.next == &p->peer->sentReliableCommands.sentinel &&
         p->peer->outgoingCommands.sentinel.next == &p->peer->outgoingCommands.sentinel;
}

/*
 * Where libenet is not ours, its memory is not counted, and what is held for the consumer takes more than the
 * account says. A message that arrives ahead of another is taken although many are held.
 */
static void ahead_of_a_program(void) {
  struct plain user, client;
  void *libenet = load(LIBENET, RTLD_LOCAL), *library;
  enet_uint16 *sequence;
  plain_open(&user, libenet);
  library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  CHECK(ours_open(&first, library, LOOPBACK, true) > 0);
  plain_open(&client, libenet);
  plain_connect(&client, ours_port(&first));
  UNTIL(first.connects == 1 && client.connects == 1, (ours_poll(&first), plain_poll(&client)));
  for (int i = 0; i < EVENTS + 200; i++) plain_send(&client); /* more than there are records for */
  UNTIL(is_acknowledged(&client), (ours_service(&first), plain_poll(&client)));
  sequence = &client.peer->channels[0].outgoingReliableSequenceNumber;
  ++*sequence; /* one is left out */
  plain_send(&client);
  UNTIL(is_acknowledged(&client), (ours_service(&first), plain_poll(&client)));
  CHECK_EQ_INT(first.receives, 0);
  *sequence = (enet_uint16)(*sequence - 2);
  plain_send(&client);
  UNTIL(first.receives == EVENTS + 202, (ours_poll(&first), plain_poll(&client)));
  plain_close(&user);
  plain_close(&client);
  ours_close(&first);
}

TEST(messages_ahead_are_taken_where_memory_is_not_counted) { apart(ahead_of_a_program); }

#endif

static void copy_library(const char *to) {
  FILE *from = fopen(ENETJS_LIBRARY, "rb"), *copy = fopen(to, "wb");
  char bytes[65536];
  size_t length;
  CHECK(from && copy);
  while ((length = fread(bytes, 1, sizeof(bytes), from)) > 0)
    CHECK_EQ_INT(fwrite(bytes, 1, length, copy), length);
  CHECK_EQ_INT(fclose(copy), 0);
  fclose(from);
}

/* The first has libenet to itself, and the second adds itself to those who use it; or each has its own. */
static void two_copies(void) {
  char folder[] = "/tmp/enetjs-XXXXXX", path[64];
  void *original = load(ENETJS_LIBRARY, RTLD_LOCAL), *copy;
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof(path), "%s/libenetjs.so", folder);
  copy_library(path);
  CHECK(ours_open(&first, original, LOOPBACK, false) > 0);
  copy = load(path, RTLD_LOCAL);
  unlink(path);
  rmdir(folder);
  CHECK(copy != original);
#ifndef ENETJS_ENET_BUILT_IN
  CHECK_EQ_INT(ours_open(&second, copy, LOOPBACK, false), ENETJS_ERR_UNGUARDED);
#endif
  CHECK(ours_open(&second, copy, -1, false) > 0);
  ours_connect(&second, ours_port(&first));
  exchange_ours(&first, &second);
  ours_close(&first);
#ifdef ENETJS_ENET_BUILT_IN
  CHECK(allocations(copy) > 0);
#else
  CHECK_EQ_INT(allocations(copy), 0); /* all of ENet's are the original's */
#endif
  ours_close(&second);
  CHECK_EQ_INT(allocations(copy), 0);
  CHECK_EQ_INT(allocations(original), 0);
}

TEST(two_copies_of_the_library_can_be_loaded) { apart(two_copies); }

#ifndef ENETJS_ENET_BUILT_IN

/* libenetjs reads the same time as libenet, whichever library has loaded it. */
static void one_time(void) {
  void *libenet = load(LIBENET, RTLD_LOCAL), *library = load(ENETJS_LIBRARY, RTLD_LOCAL);
  enet_uint32 (*theirs)(void) = FIND(libenet, enet_uint32, enet_time_get, void);
  enet_uint32 (*ours)(void) = FIND(library, enet_uint32, enet_time_get, void);
  CHECK(ours != theirs);
  for (int i = 0; i < 3; i++) {
    CHECK(ours() - theirs() < 60000 || theirs() - ours() < 60000);
    FIND(libenet, void, enet_time_set, enet_uint32)(theirs() + 3600000);
    CHECK(ours() - theirs() < 60000 || theirs() - ours() < 60000);
    FIND(library, void, enet_time_set, enet_uint32)(theirs() + 3600000);
    CHECK(ours() - theirs() < 60000 || theirs() - ours() < 60000);
  }
}

TEST(there_is_one_time) { apart(one_time); }

#endif

int main(void) {
  static const struct test_case cases[] = {
#ifdef ENETJS_ENET_BUILT_IN
      TEST_CASE(a_program_that_uses_libenet_changes_nothing),
      TEST_CASE(a_program_that_shares_its_libenet_changes_nothing),
      TEST_CASE(no_function_of_enet_is_exported),
#else
      TEST_CASE(a_program_that_has_used_libenet_keeps_its_memory),
      TEST_CASE(a_program_that_shares_its_libenet_keeps_its_memory),
      TEST_CASE(a_program_that_uses_libenet_later_shares_our_memory),
      TEST_CASE(messages_ahead_are_taken_where_memory_is_not_counted),
      TEST_CASE(there_is_one_time),
#endif
      TEST_CASE(two_copies_of_the_library_can_be_loaded),
  };
  return test_run(cases, TEST_COUNT(cases));
}

#else

int main(void) { return test_skip("the system's libraries do not mix here"); }

#endif
