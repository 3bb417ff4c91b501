/* Captures: what is in the file, its limits, and what becomes of the host when the disk is full. */
#include "../consumer.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcapng_reader.h"
#include "wire/capture.h"
#include "wire/conditions.h"
#include "wire/pcapng.h"

#define NO_LIMIT 1e12

static char folder[] = "/tmp/enetjs_capture_XXXXXX";
static char path[256];

static const char *file_of(const char *name) {
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static double capture_begin(struct consumer *c, const char *name, bool plain, double maximum, double files) {
  const char *file = file_of(name);
  return enetjs_host_capture(c->host, (const uint8_t *)file, (double)strlen(file), plain, maximum, files);
}

static double stat_of(double capture, unsigned index) {
  double stats[ENETJS_CAPTURE_STAT_COUNT];
  CHECK_EQ_INT(enetjs_capture_state(capture, (uint8_t *)stats, sizeof(stats)), 0);
  return stats[index];
}

static void await_end(double capture) {
  UNTIL(stat_of(capture, ENETJS_CAPTURE_STAT_RUNNING) == 0, test_yield());
}

static void capture_close(struct consumer *c, double capture) {
  CHECK_EQ_INT(enetjs_host_end_capture(c->host, capture), 0);
  CHECK_EQ_INT(enetjs_host_end_capture(c->host, capture), ENETJS_ERR_STALE);
  await_end(capture);
}

/* ---- What is in the file --------------------------------------------------------------------- */

struct seen {
  uint16_t local, remote;
  unsigned sent, received, ipv6;
  uint64_t latest_ns;
  bool found; /* the message */
};

static bool contains(const struct packet_read *packet, const char *text) {
  return memmem(packet->bytes, packet->length, text, strlen(text)) != NULL;
}

static void look(void *context, const struct packet_read *packet) {
  static const uint8_t loopback[] = {127, 0, 0, 1};
  struct seen *seen = context;
  bool received = packet->direction == 1;
  CHECK(received || packet->direction == 2);
  CHECK_EQ_INT(received ? packet->to_port : packet->from_port, seen->local);
  CHECK_EQ_INT(received ? packet->from_port : packet->to_port, seen->remote);
  if (packet->version == 4)
    CHECK(memcmp(packet->from, loopback, 4) == 0 && memcmp(packet->to, loopback, 4) == 0);
  else
    seen->ipv6++;
  CHECK(packet->time_ns >= seen->latest_ns);
  seen->latest_ns = packet->time_ns;
  received ? seen->received++ : seen->sent++;
  if (contains(packet, "what is said")) seen->found = true;
}

static void exchange(struct consumer *client, struct consumer *server, double peer) {
  unsigned receives = server->receives;
  CHECK_EQ_INT(send_text(client, peer, ENET_PACKET_FLAG_RELIABLE, "what is said", 0), 0);
  UNTIL(server->receives > receives, poll_both(client, server));
}

/* Both sides have the same datagrams, in the other direction, with addresses, times and checksums. */
TEST(both_sides_capture_the_same_datagrams) {
  struct consumer server, client;
  struct seen at_server = {0}, at_client = {0};
  struct capture_read of_server, of_client;
  struct timespec now;
  double server_capture, client_capture, peer;
  server_open(&server);
  client_open(&client);
  server_capture = capture_begin(&server, "server.pcapng", false, NO_LIMIT, 1);
  client_capture = capture_begin(&client, "client.pcapng", false, NO_LIMIT, 1); /* which has no port yet */
  CHECK(server_capture > 0 && client_capture > 0);
  peer = connect_pair_of(&client, &server);
  at_server.local = at_client.remote = port_of(&server);
  at_server.remote = at_client.local = port_of(&client);
  exchange(&client, &server, peer);
  consumer_close(&client);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  capture_close(&server, server_capture);
  consumer_close(&server);
  await_end(client_capture);
  of_server = capture_read(file_of("server.pcapng"), look, &at_server);
  of_client = capture_read(file_of("client.pcapng"), look, &at_client);
  CHECK(at_server.found && at_client.found);
  CHECK(of_server.ended && of_client.ended);
  CHECK_EQ_INT(at_client.sent, at_server.received);
  CHECK_EQ_INT(of_client.packets, stat_of(client_capture, ENETJS_CAPTURE_STAT_DATAGRAMS));
  CHECK_EQ_INT(of_client.bytes, stat_of(client_capture, ENETJS_CAPTURE_STAT_BYTES));
  CHECK_EQ_INT(of_client.counted, of_client.packets);
  CHECK_EQ_INT(of_client.counted_dropped, 0);
  clock_gettime(CLOCK_REALTIME, &now);
  CHECK((uint64_t)now.tv_sec - at_client.latest_ns / 1000000000 < 60);
}

static struct consumer loopback_server(double ipv6) {
  struct consumer server;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_ADDRESS] = 0; /* every address */
  server.config[ENETJS_CONFIG_IPV6] = ipv6;
  return server;
}

/* A socket that has every address sends from one of them; the file has that one. */
TEST(a_host_on_every_address_has_the_one_that_the_route_gives) {
  struct consumer server = loopback_server(ENETJS_IPV6_NONE), client;
  struct seen seen = {0};
  double capture;
  consumer_open(&server);
  client_open(&client);
  capture = capture_begin(&server, "any.pcapng", false, NO_LIMIT, 1);
  CHECK(capture > 0);
  connect_pair_of(&client, &server);
  seen.local = port_of(&server);
  seen.remote = port_of(&client);
  consumer_close(&client);
  consumer_close(&server);
  await_end(capture);
  CHECK(capture_read(file_of("any.pcapng"), look, &seen).packets > 2);
}

/* Above the simulated network everything has been sent; on the network, nothing has. */
TEST(a_capture_is_above_or_below_the_simulated_network) {
  struct consumer host;
  uint8_t bytes[1000] = {0};
  double links[ENETJS_LINK_COUNT] = {0}, above, below, offset;
  uint16_t port;
  ENetSocket socket = socket_open(&port);
  links[ENETJS_LINK_LAST] = UINT32_MAX; /* nothing passes */
  client_open(&host);
  above = capture_begin(&host, "above.pcapng", true, NO_LIMIT, 1);
  below = capture_begin(&host, "below.pcapng", false, NO_LIMIT, 1);
  CHECK(above > 0 && below > 0);
  CHECK_EQ_INT(enetjs_host_set_conditions(host.host, (uint8_t *)links, sizeof(links), 1), 0);
  offset = host.words[ENETJS_WORD_SCRATCH_OFFSET];
  memcpy(host.block + (size_t)offset, bytes, sizeof(bytes));
  for (int i = 0; i < 5; i++)
    CHECK_EQ_INT(enetjs_host_send_datagram(host.host, LOOPBACK, port, offset, sizeof(bytes)), sizeof(bytes));
  CHECK_EQ_INT(enetjs_host_set_conditions(host.host, (uint8_t *)links, 0, 0), 0);
  CHECK_EQ_INT(enetjs_host_send_datagram(host.host, LOOPBACK, port, offset, sizeof(bytes)), sizeof(bytes));
  consumer_close(&host);
  await_end(above);
  await_end(below);
  CHECK_EQ_INT(capture_read(file_of("above.pcapng"), NULL, NULL).packets, 6);
  CHECK_EQ_INT(capture_read(file_of("below.pcapng"), NULL, NULL).packets, 1);
  enet_socket_destroy(socket);
}

static void check_ipv6(void *context, const struct packet_read *packet) {
  uint8_t expected[16] = {0x20, 0x01, 0x0D, 0xB8};
  expected[15] = 7;
  CHECK_EQ_INT(packet->version, 6);
  CHECK(memcmp(packet->from, expected, 16) == 0);
  CHECK_EQ_INT(packet->length, *(size_t *)context);
  CHECK(payload_is(packet->bytes, packet->length, 3));
}

static void write_file(const char *name, const uint8_t *bytes, size_t length) {
  FILE *file = fopen(file_of(name), "wb");
  CHECK(file != NULL);
  CHECK_EQ_INT(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* Lengths that need padding, the largest one, and one whose checksum would be 0. */
TEST(blocks_of_ipv6_and_of_any_length) {
  static uint8_t bytes[ENETJS_PCAPNG_MAXIMUM];
  static uint8_t file[2 * sizeof(enetjs_pcapng_room)];
  size_t lengths[] = {0, 1, 2, 3, 4, 1399, ENETJS_PCAPNG_MAXIMUM};
  struct enetjs_pcapng_datagram datagram = {0};
  datagram.from.high = (uint64_t)0x20010DB8 << 32;
  datagram.from.low = 7;
  datagram.from.port = 1000;
  datagram.to.low = 1;
  datagram.to.port = 2000;
  datagram.bytes = bytes;
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    size_t filled = enetjs_pcapng_begin(file, "a test");
    payload_fill(bytes, lengths[i], 3);
    datagram.length = lengths[i];
    filled += enetjs_pcapng_datagram(file + filled, &datagram);
    filled += enetjs_pcapng_end(file + filled, 0, 1, 0);
    write_file("blocks.pcapng", file, filled);
    CHECK_EQ_INT(capture_read(file_of("blocks.pcapng"), check_ipv6, &lengths[i]).packets, 1);
  }
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void send_raw(struct consumer *host, uint16_t port, unsigned count, size_t length) {
  double offset = host->words[ENETJS_WORD_SCRATCH_OFFSET];
  memset(host->block + (size_t)offset, 0x55, length);
  for (unsigned i = 0; i < count; i++)
    enetjs_host_send_datagram(host->host, LOOPBACK, port, offset, (double)length);
}

TEST(files_rotate_at_their_limit) {
  struct consumer host;
  size_t packets = 0;
  uint16_t port;
  double capture;
  ENetSocket socket = socket_open(&port);
  client_open(&host);
  capture = capture_begin(&host, "round.pcapng", false, ENETJS_CAPTURE_MINIMUM, 3);
  CHECK(capture > 0);
  send_raw(&host, port, 600, 1000); /* 4.9 files */
  capture_close(&host, capture);
  consumer_close(&host);
  CHECK_EQ_INT(stat_of(capture, ENETJS_CAPTURE_STAT_FILES), 5);
  CHECK_EQ_INT(stat_of(capture, ENETJS_CAPTURE_STAT_DATAGRAMS), 600);
  for (unsigned number = 0; number < 3; number++) {
    static const char *const names[] = {"round.pcapng", "round.1.pcapng", "round.2.pcapng"};
    struct capture_read read = capture_read(file_of(names[number]), NULL, NULL);
    CHECK(read.ended);
    CHECK(read.bytes <= ENETJS_CAPTURE_MINIMUM);
    packets += read.packets;
  }
  CHECK(packets > 200 && packets < 400);
  CHECK(access(file_of("round.3.pcapng"), F_OK) != 0);
  enet_socket_destroy(socket);
}

/* The ring is full while the thread computes checksums. The host does not wait, and the file tells it. */
TEST(what_finds_no_room_is_counted_in_the_file) {
  static uint8_t bytes[60000];
  struct enetjs_capture_plan plan = {0};
  struct enetjs_capture *capture;
  struct enetjs_endpoint remote = enetjs_endpoint_of_ipv4(LOOPBACK, 9);
  struct capture_read read;
  ENetBuffer buffer = {.data = bytes, .dataLength = sizeof(bytes)};
  double handle, missed;
  unsigned taken = 0;
  plan.path = file_of("missed.pcapng");
  plan.path_length = strlen(path);
  plan.local = remote;
  plan.maximum_bytes = UINT32_MAX;
  plan.files = 1;
  handle = enetjs_capture_begin(&plan, &capture);
  CHECK(handle > 0);
  UNTIL(stat_of(handle, ENETJS_CAPTURE_STAT_DROPPED) > 0, {
    enetjs_capture_take(capture, true, &remote, &buffer, 1);
    taken++;
  });
  missed = stat_of(handle, ENETJS_CAPTURE_STAT_DROPPED);
  UNTIL(stat_of(handle, ENETJS_CAPTURE_STAT_DATAGRAMS) + missed == taken, test_yield());
  buffer.dataLength = 10;
  enetjs_capture_take(capture, true, &remote, &buffer, 1);
  enetjs_capture_end(capture);
  await_end(handle);
  read = capture_read(file_of("missed.pcapng"), NULL, NULL);
  CHECK_EQ_INT(read.packets + (size_t)missed, taken + 1);
  CHECK_EQ_INT(read.dropped, missed);
  CHECK_EQ_INT(read.counted_dropped, missed);
  CHECK_EQ_INT(read.counted, taken + 1);
  unlink(path);
}

TEST(a_host_has_four_captures_at_most) {
  static const char *const names[] = {"a.pcapng", "b.pcapng", "c.pcapng", "d.pcapng", "e.pcapng"};
  struct consumer host;
  double captures[4];
  client_open(&host);
  for (int i = 0; i < 4; i++) CHECK((captures[i] = capture_begin(&host, names[i], false, NO_LIMIT, 1)) > 0);
  CHECK_EQ_INT(capture_begin(&host, names[4], false, NO_LIMIT, 1), ENETJS_ERR_LIMIT);
  capture_close(&host, captures[1]);
  CHECK((captures[1] = capture_begin(&host, names[4], false, NO_LIMIT, 1)) > 0);
  consumer_close(&host);
  for (int i = 0; i < 4; i++) await_end(captures[i]);
}

TEST(ended_captures_are_forgotten_when_many_others_begin) {
  struct consumer host;
  double first, state[ENETJS_CAPTURE_STAT_COUNT];
  client_open(&host);
  first = capture_begin(&host, "many.pcapng", false, NO_LIMIT, 1);
  capture_close(&host, first);
  for (int i = 0; i < 64; i++) capture_close(&host, capture_begin(&host, "many.pcapng", false, NO_LIMIT, 1));
  CHECK_EQ_INT(enetjs_capture_state(first, (uint8_t *)state, sizeof(state)), ENETJS_ERR_STALE);
  CHECK_EQ_INT(enetjs_host_end_capture(host.host, first), ENETJS_ERR_STALE);
  consumer_close(&host);
}

/* ---- Files that can't be written ------------------------------------------------------------- */

TEST(a_path_that_cannot_be_written_is_an_error) {
  struct consumer host;
  struct stat status;
  double capture;
  client_open(&host);
  CHECK_EQ_INT(capture_begin(&host, "nowhere/x.pcapng", false, NO_LIMIT, 1), ENETJS_ERR_FILE);
  CHECK_EQ_INT(capture_begin(&host, "", false, NO_LIMIT, 1), ENETJS_ERR_FILE); /* the folder */
  CHECK_EQ_INT(mkfifo(file_of("pipe"), 0600), 0);
  CHECK_EQ_INT(capture_begin(&host, "pipe", false, NO_LIMIT, 1), ENETJS_ERR_FILE); /* and does not wait */
  CHECK_EQ_INT(enetjs_host_capture(host.host, (const uint8_t *)"a\0b", 3, 0, NO_LIMIT, 1), ENETJS_ERR_FILE);
  CHECK_EQ_INT(enetjs_host_capture(host.host, (const uint8_t *)"a", 0, 0, NO_LIMIT, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(capture_begin(&host, "x", false, ENETJS_CAPTURE_MINIMUM - 1, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(capture_begin(&host, "x", false, NO_LIMIT, 0), ENETJS_ERR_ARGUMENT);
  capture = capture_begin(&host, "taken.pcapng", false, NO_LIMIT, 1);
  CHECK(capture > 0);
  CHECK_EQ_INT(capture_begin(&host, "taken.pcapng", false, NO_LIMIT, 1), ENETJS_ERR_FILE_IN_USE);
  CHECK_EQ_INT(stat(path, &status), 0);
  CHECK_EQ_INT(status.st_mode & 0777, 0600);
  consumer_close(&host);
  await_end(capture);
}

/* As with a full disk, a write is cut short. The file keeps whole blocks, and the host goes on. */
TEST(a_full_disk_ends_the_capture_and_not_the_host) {
  struct consumer server, client;
  struct rlimit before, small;
  struct capture_read read;
  double capture, peer;
  server_open(&server);
  client_open(&client);
  capture = capture_begin(&client, "full.pcapng", false, NO_LIMIT, 1);
  CHECK(capture > 0);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 20001; /* within a block; the thread has SIGXFSZ blocked */
  CHECK_EQ_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
  send_raw(&client, port_of(&server), 100, 1000);
  UNTIL(stat_of(capture, ENETJS_CAPTURE_STAT_RUNNING) == 0, test_yield());
  CHECK_EQ_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
  CHECK_EQ_INT(stat_of(capture, ENETJS_CAPTURE_STAT_ERROR), EFBIG);
  CHECK(stat_of(capture, ENETJS_CAPTURE_STAT_DROPPED) >= 80);
  exchange(&client, &server, peer);
  CHECK_EQ_INT(enetjs_host_end_capture(client.host, capture), 0);
  read = capture_read(file_of("full.pcapng"), NULL, NULL);
  CHECK(!read.ended && read.bytes <= 20001);
  CHECK_EQ_INT(read.packets, stat_of(capture, ENETJS_CAPTURE_STAT_DATAGRAMS));
  consumer_close(&client);
  consumer_close(&server);
}

/* ---- The end of the process ------------------------------------------------------------------ */

/* What the process has said at its very end is in the file. */
static void run_and_exit(void) {
  struct consumer host;
  uint16_t port;
  socket_open(&port);
  client_open(&host);
  if (capture_begin(&host, "exit.pcapng", false, NO_LIMIT, 1) < 0) _exit(3);
  send_raw(&host, port, 50, 500);
  exit(0);
}

/* argv of this test, which is run again: a child that was forked off has none of the library's threads. */
static char *program;

TEST(the_end_of_the_process_waits_for_the_file) {
  pid_t child = fork();
  struct capture_read read;
  int status;
  CHECK(child >= 0);
  if (child == 0) {
    execl(program, program, "exit", folder, (char *)NULL);
    _exit(4);
  }
  CHECK_EQ_INT(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_EQ_INT(WEXITSTATUS(status), 0);
  read = capture_read(file_of("exit.pcapng"), NULL, NULL);
  CHECK_EQ_INT(read.packets, 50);
  CHECK(read.ended);
}

static void remove_folder(void) {
  char command[300];
  snprintf(command, sizeof(command), "rm -rf %s", folder);
  CHECK_EQ_INT(system(command), 0);
}

TEST(nothing_is_left) {
  check_nothing_left();
  remove_folder();
}

int main(int argc, char **argv) {
  static const struct test_case cases[] = {
      TEST_CASE(both_sides_capture_the_same_datagrams),
      TEST_CASE(a_host_on_every_address_has_the_one_that_the_route_gives),
      TEST_CASE(a_capture_is_above_or_below_the_simulated_network),
      TEST_CASE(blocks_of_ipv6_and_of_any_length),
      TEST_CASE(files_rotate_at_their_limit),
      TEST_CASE(what_finds_no_room_is_counted_in_the_file),
      TEST_CASE(a_host_has_four_captures_at_most),
      TEST_CASE(ended_captures_are_forgotten_when_many_others_begin),
      TEST_CASE(a_path_that_cannot_be_written_is_an_error),
      TEST_CASE(a_full_disk_ends_the_capture_and_not_the_host),
      TEST_CASE(the_end_of_the_process_waits_for_the_file),
      TEST_CASE(nothing_is_left),
  };
  program = argv[0];
  if (argc == 3 && strcmp(argv[1], "exit") == 0) {
    snprintf(folder, sizeof(folder), "%s", argv[2]);
    run_and_exit();
  }
  if (!mkdtemp(folder)) return 1;
  return test_run(cases, TEST_COUNT(cases));
}

#else

TEST(captures_need_batches) {
  struct consumer host;
  client_open(&host);
  CHECK_EQ_INT(enetjs_host_capture(host.host, (const uint8_t *)"x", 1, 0, 1e12, 1), ENETJS_ERR_UNGUARDED);
  consumer_close(&host);
}

int main(void) {
  static const struct test_case cases[] = {TEST_CASE(captures_need_batches)};
  return test_run(cases, TEST_COUNT(cases));
}

#endif
