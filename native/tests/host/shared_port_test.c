/* Several sockets on one port: hosts that share it, and the holder of sockets that outlive their workers. */
#include "../consumer.h"

#if defined(__linux__)

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/lease.h"
#include "wire/open.h"

#define CLIENTS 24 /* each of two hosts gets one of them, but for one run in 8 million */
#define SOCKETS 3
#define FLOODERS 4
#define FLOOD_SECONDS 20 /* at most: they are killed when the test is done */

static double port, told[ENETJS_PORT_COUNT];

static double hold(double *config, unsigned sockets) {
  return enetjs_port_open((uint8_t *)config, ENETJS_CONFIG_COUNT * sizeof(*config), sockets, (uint8_t *)told,
                          sizeof(told));
}

static void hold_some(unsigned sockets) {
  double config[ENETJS_CONFIG_COUNT];
  config_initialize(config);
  port = hold(config, sockets);
  CHECK(port >= 0);
}

static uint16_t held_port(void) { return (uint16_t)fmod(told[ENETJS_PORT_ADDRESS], 65536); }

static void worker_configure(struct consumer *c) {
  consumer_start(c);
  for (int i = 0; i < ENETJS_PORT_NAME_WORDS; i++)
    c->config[ENETJS_CONFIG_SHARED_PORT + i] = told[ENETJS_PORT_NAME + i];
  c->config[ENETJS_CONFIG_PEERS] = CLIENTS;
}

static void worker_open(struct consumer *c) {
  worker_configure(c);
  consumer_open(c);
}

/* @returns the error with which a host can't be opened, after which nothing is left of it */
static double error_of(struct consumer *c) {
  size_t bytes = config_shared_bytes(c->config);
  size_t arena_bytes = (size_t)c->config[ENETJS_CONFIG_ARENA_BYTES];
  uint8_t *block = calloc(1, bytes), *arena = calloc(1, arena_bytes);
  double result = enetjs_host_create((uint8_t *)c->config, sizeof(c->config), block, (double)bytes, arena,
                                     (double)arena_bytes);
  free(block);
  free(arena);
  return result;
}

static double error_of_worker(void) {
  struct consumer c;
  worker_configure(&c);
  return error_of(&c);
}

static unsigned descriptors(void) {
  unsigned count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void connect_clients(struct consumer *clients, struct consumer *servers, unsigned count, uint16_t to) {
  for (unsigned i = 0; i < CLIENTS; i++) {
    client_open(&clients[i]);
    CHECK(enetjs_host_connect(clients[i].host, LOOPBACK, to, 2, 7) > 0);
    UNTIL(clients[i].connects == 1, {
      consumer_poll(&clients[i]);
      for (unsigned k = 0; k < count; k++) consumer_poll(&servers[k]);
    });
  }
}

static void close_all(struct consumer *hosts, unsigned count) {
  for (unsigned i = 0; i < count; i++) consumer_close(&hosts[i]);
}

TEST(hosts_share_the_clients_of_a_port) {
  struct consumer servers[2], clients[CLIENTS];
  for (unsigned i = 0; i < 2; i++) {
    consumer_start(&servers[i]);
    servers[i].config[ENETJS_CONFIG_REUSE_PORT] = 1;
    servers[i].config[ENETJS_CONFIG_PEERS] = CLIENTS;
    if (i > 0) servers[i].config[ENETJS_CONFIG_PORT] = port_of(&servers[0]);
    consumer_open(&servers[i]);
  }
  CHECK_EQ_INT(port_of(&servers[1]), port_of(&servers[0]));
  connect_clients(clients, servers, 2, port_of(&servers[0]));
  CHECK(servers[0].connects > 0 && servers[1].connects > 0);
  CHECK_EQ_INT(servers[0].connects + servers[1].connects, CLIENTS);
  close_all(servers, 2);
  close_all(clients, CLIENTS);
  check_nothing_left();
}

TEST(only_who_asks_for_it_shares_a_port) {
  struct consumer alone, other;
  server_open(&alone);
  consumer_start(&other);
  other.config[ENETJS_CONFIG_PORT] = port_of(&alone);
  other.config[ENETJS_CONFIG_REUSE_PORT] = 1;
  CHECK_EQ_INT(error_of(&other), ENETJS_ERR_ADDRESS_IN_USE);
  consumer_close(&alone);
  hold_some(2);
  consumer_start(&other);
  other.config[ENETJS_CONFIG_PORT] = held_port();
  CHECK_EQ_INT(error_of(&other), ENETJS_ERR_ADDRESS_IN_USE);
  /* a second holder would divide the clients */
  CHECK_EQ_INT(hold(other.config, 2), ENETJS_ERR_ADDRESS_IN_USE);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

TEST(each_worker_has_a_socket_of_its_own_until_it_is_closed) {
  struct consumer workers[SOCKETS], clients[CLIENTS];
  unsigned before = descriptors();
  hold_some(SOCKETS);
  for (unsigned i = 0; i < SOCKETS; i++) worker_open(&workers[i]);
  CHECK_EQ_INT(enetjs_port_workers(port), SOCKETS);
  CHECK_EQ_INT(error_of_worker(), ENETJS_ERR_SOCKETS_TAKEN);
  for (unsigned i = 0; i < SOCKETS; i++) CHECK_EQ_INT(port_of(&workers[i]), held_port());
  connect_clients(clients, workers, SOCKETS, held_port());
  CHECK_EQ_INT(workers[0].connects + workers[1].connects + workers[2].connects, CLIENTS);
  consumer_close(&workers[1]);
  CHECK_EQ_INT(enetjs_port_workers(port), SOCKETS - 1);
  worker_open(&workers[1]);
  CHECK_EQ_INT(error_of_worker(), ENETJS_ERR_SOCKETS_TAKEN);
  close_all(workers, SOCKETS);
  CHECK_EQ_INT(enetjs_port_workers(port), 0);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
  CHECK_EQ_INT(enetjs_port_close(port), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_port_workers(port), ENETJS_ERR_CLOSED);
  close_all(clients, CLIENTS);
  CHECK_EQ_INT(descriptors(), before);
  check_nothing_left();
}

TEST(a_replacement_hears_the_clients_that_came_meanwhile) {
  struct consumer worker, client;
  hold_some(1);
  worker_open(&worker);
  consumer_close(&worker);
  client_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, held_port(), 2, 7) > 0);
  consumer_poll(&client); /* what it has sent waits in the socket */
  worker_open(&worker);
  UNTIL(client.connects == 1 && worker.connects == 1, poll_both(&client, &worker));
  consumer_close(&worker);
  consumer_close(&client);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

TEST(a_worker_goes_on_without_its_holder) {
  struct consumer worker, client;
  hold_some(2);
  worker_open(&worker);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
  CHECK_EQ_INT(error_of_worker(), ENETJS_ERR_NO_HOLDER);
  client_open(&client);
  connect_pair_of(&client, &worker); /* to the one socket that is left */
  consumer_close(&client);
  consumer_close(&worker);
  check_nothing_left();
}

static void hold_on_another_thread(void *unused) {
  (void)unused;
  hold_some(1);
}

TEST(the_port_of_a_thread_that_has_ended_is_closed) {
  enetjs_thread thread;
  CHECK(enetjs_thread_start(&thread, hold_on_another_thread, NULL));
  enetjs_thread_join(thread);
  CHECK_EQ_INT(error_of_worker(), ENETJS_ERR_NO_HOLDER);
  CHECK_EQ_INT(enetjs_port_close(port), ENETJS_ERR_CLOSED);
}

TEST(a_host_that_cannot_be_opened_leaves_its_socket) {
  struct consumer c;
  hold_some(1);
  worker_configure(&c);
  c.config[ENETJS_CONFIG_COMPRESSION] = 7; /* is looked at after the socket was taken */
  CHECK(error_of(&c) < 0);
  UNTIL(enetjs_port_workers(port) == 0, test_yield());
  worker_open(&c);
  consumer_close(&c);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
  check_nothing_left();
}

static void name_words(uint32_t name[ENETJS_PORT_NAME_WORDS]) {
  for (int i = 0; i < ENETJS_PORT_NAME_WORDS; i++) name[i] = (uint32_t)told[ENETJS_PORT_NAME + i];
}

static int option_of(enetjs_fd socket, int level, int option) {
  int value = -1;
  socklen_t length = sizeof(value);
  CHECK_EQ_INT(getsockopt(socket, level, option, &value, &length), 0);
  return value;
}

/* What a worker leaves that was killed while it connected to others, and had buffers of its own. */
TEST(a_replacement_inherits_no_settings) {
  struct consumer worker;
  struct enetjs_lease lease = {0};
  uint32_t name[ENETJS_PORT_NAME_WORDS];
  int on = 1, small = 8192, received, sent;
  hold_some(1);
  name_words(name);
  CHECK_EQ_INT(enetjs_lease_take(name, &lease), 0);
  received = option_of(lease.socket, SOL_SOCKET, SO_RCVBUF);
  sent = option_of(lease.socket, SOL_SOCKET, SO_SNDBUF);
  CHECK_EQ_INT(setsockopt(lease.socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
  CHECK_EQ_INT(setsockopt(lease.socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
  CHECK_EQ_INT(setsockopt(lease.socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
  enetjs_lease_end(&lease);
  worker_open(&worker);
  consumer_close(&worker);
  CHECK_EQ_INT(enetjs_lease_take(name, &lease), 0);
  CHECK_EQ_INT(option_of(lease.socket, IPPROTO_IP, IP_RECVERR), 0);
  CHECK_EQ_INT(option_of(lease.socket, SOL_SOCKET, SO_RCVBUF), received);
  CHECK_EQ_INT(option_of(lease.socket, SOL_SOCKET, SO_SNDBUF), sent);
  enetjs_lease_end(&lease);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

TEST(the_sockets_are_those_that_were_asked_for) {
  double config[ENETJS_CONFIG_COUNT];
  struct consumer worker, client;
  config_initialize(config);
  config[ENETJS_CONFIG_ADDRESS] = 0;
  config[ENETJS_CONFIG_IPV6] = ENETJS_IPV6_AUTO;
  port = hold(config, 1);
  CHECK(port >= 0);
  worker_open(&worker);
  client_open(&client);
  connect_pair_of(&client, &worker);
  if (told[ENETJS_PORT_ADDRESS] >= (double)ENETJS_ADDRESS_IPV6)
    CHECK_EQ_INT(enetjs_host_reaches(worker.host), ENETJS_REACHES_IPV4 | ENETJS_REACHES_IPV6);
  consumer_close(&client);
  consumer_close(&worker);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

TEST(wrong_arguments_are_refused) {
  double config[ENETJS_CONFIG_COUNT];
  config_initialize(config);
  CHECK_EQ_INT(hold(config, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(hold(config, ENETJS_MAXIMUM_WORKERS + 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_port_open(NULL, sizeof(config), 1, (uint8_t *)told, sizeof(told)), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_port_open((uint8_t *)config, sizeof(config), 1, (uint8_t *)told, 8),
               ENETJS_ERR_ARGUMENT);
  config[ENETJS_CONFIG_ADDRESS] = -1;
  CHECK_EQ_INT(hold(config, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_port_close(-1), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_port_workers(NAN), ENETJS_ERR_CLOSED);
}

/* ---- Other processes --------------------------------------------------------------------------- */

/* Runs in a child, where only async-signal-safe functions may be called. */
static char take_as(uid_t user) {
  struct enetjs_lease lease = {0};
  uint32_t name[ENETJS_PORT_NAME_WORDS];
  name_words(name);
  if (user != geteuid() && setuid(user) != 0) return 0;
  return (char)enetjs_lease_take(name, &lease);
}

/* @returns what a process gets that asks for a socket, and keeps it until it is killed */
static int ask_in_child(uid_t user, pid_t *child) {
  signed char result = 1;
  int ends[2];
  CHECK_EQ_INT(pipe2(ends, O_CLOEXEC), 0);
  *child = fork();
  CHECK(*child >= 0);
  if (*child == 0) {
    result = take_as(user);
    if (write(ends[1], &result, 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ends[1]);
  CHECK_EQ_INT(read(ends[0], &result, 1), 1);
  close(ends[0]);
  return result;
}

static void kill_child(pid_t child) {
  CHECK_EQ_INT(kill(child, SIGKILL), 0);
  CHECK_EQ_INT(waitpid(child, NULL, 0), child);
}

TEST(the_socket_of_a_killed_process_is_free_at_once) {
  struct consumer worker;
  pid_t child;
  hold_some(1);
  CHECK_EQ_INT(ask_in_child(geteuid(), &child), 0);
  CHECK_EQ_INT(enetjs_port_workers(port), 1);
  CHECK_EQ_INT(error_of_worker(), ENETJS_ERR_SOCKETS_TAKEN);
  kill_child(child);
  worker_open(&worker);
  consumer_close(&worker);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

TEST(another_user_gets_no_socket) {
  pid_t child;
  if (geteuid() != 0) return; /* which alone may become another user */
  hold_some(1);
  CHECK_EQ_INT(ask_in_child(65534, &child), ENETJS_ERR_PERMISSION);
  CHECK_EQ_INT(enetjs_port_workers(port), 0);
  kill_child(child);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

/* Runs in a child: another user connects again and again. */
static void flood(const struct sockaddr_un *address, socklen_t length) {
  alarm(FLOOD_SECONDS);
  if (setuid(65534) != 0) _exit(1);
  for (;;) {
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    (void)!connect(connection, (const struct sockaddr *)address, length);
    close(connection);
  }
}

TEST(another_user_holds_nobody_up) {
  struct sockaddr_un address = {0};
  pid_t children[FLOODERS];
  socklen_t length;
  if (geteuid() != 0) return;
  hold_some(1);
  address.sun_family = AF_UNIX;
  length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1);
  length += (socklen_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "enetjs-%08x%08x%08x%08x",
                                (unsigned)told[ENETJS_PORT_NAME], (unsigned)told[ENETJS_PORT_NAME + 1],
                                (unsigned)told[ENETJS_PORT_NAME + 2], (unsigned)told[ENETJS_PORT_NAME + 3]);
  for (unsigned i = 0; i < FLOODERS; i++) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) flood(&address, length);
  }
  for (unsigned i = 0; i < 100; i++) {
    CHECK_EQ_INT(enetjs_port_workers(port), 0);
    usleep(1000); /* they take turns with us */
  }
  CHECK_EQ_INT(enetjs_port_close(port), 0);
  for (unsigned i = 0; i < FLOODERS; i++) {
    CHECK_EQ_INT(waitpid(children[i], NULL, WNOHANG), 0); /* it is still at it */
    kill_child(children[i]);
  }
}

/* One that connects, and asks for nothing, is handed a socket, and says what it likes. */
TEST(a_worker_that_breaks_the_rules_harms_itself_only) {
  struct consumer worker;
  struct enetjs_lease lease = {0};
  uint32_t name[ENETJS_PORT_NAME_WORDS];
  hold_some(1);
  name_words(name);
  CHECK_EQ_INT(enetjs_lease_take(name, &lease), 0);
  CHECK_EQ_INT(fcntl(lease.socket, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ_INT(fcntl(lease.connection, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  CHECK_EQ_INT(send(lease.connection, "x", 1, MSG_NOSIGNAL), 1); /* which gives the socket back */
  worker_open(&worker);
  consumer_close(&worker);
  enetjs_lease_end(&lease);
  CHECK_EQ_INT(enetjs_port_close(port), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(hosts_share_the_clients_of_a_port),
      TEST_CASE(only_who_asks_for_it_shares_a_port),
      TEST_CASE(each_worker_has_a_socket_of_its_own_until_it_is_closed),
      TEST_CASE(a_replacement_hears_the_clients_that_came_meanwhile),
      TEST_CASE(a_worker_goes_on_without_its_holder),
      TEST_CASE(the_port_of_a_thread_that_has_ended_is_closed),
      TEST_CASE(a_host_that_cannot_be_opened_leaves_its_socket),
      TEST_CASE(a_replacement_inherits_no_settings),
      TEST_CASE(the_sockets_are_those_that_were_asked_for),
      TEST_CASE(wrong_arguments_are_refused),
      TEST_CASE(the_socket_of_a_killed_process_is_free_at_once),
      TEST_CASE(another_user_gets_no_socket),
      TEST_CASE(another_user_holds_nobody_up),
      TEST_CASE(a_worker_that_breaks_the_rules_harms_itself_only),
  };
  return test_run(cases, TEST_COUNT(cases));
}

#else

TEST(where_a_port_is_not_shared_that_is_an_error) {
  struct consumer c;
  double out[ENETJS_PORT_COUNT];
  consumer_start(&c);
  CHECK_EQ_INT(enetjs_port_open((uint8_t *)c.config, sizeof(c.config), 2, (uint8_t *)out, sizeof(out)),
               ENETJS_ERR_REUSE_PORT);
}

int main(void) {
  static const struct test_case cases[] = {TEST_CASE(where_a_port_is_not_shared_that_is_an_error)};
  return test_run(cases, TEST_COUNT(cases));
}

#endif
