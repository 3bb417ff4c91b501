/* Descriptors: no child process inherits one. */
#include "../consumer.h"

#if defined(__linux__)

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;

#define DESCRIPTORS 1024

static void open_descriptors(bool *open) {
  DIR *folder = opendir("/proc/self/fd");
  struct dirent *entry;
  memset(open, 0, DESCRIPTORS);
  CHECK(folder != NULL);
  while ((entry = readdir(folder)) != NULL) {
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd < DESCRIPTORS && fd != dirfd(folder)) open[fd] = true;
  }
  closedir(folder);
}

/* A process that lives until the returned descriptor is closed. */
static int child_start(pid_t *child) {
  char *arguments[] = {(char *)(uintptr_t) "cat", NULL};
  posix_spawn_file_actions_t actions;
  int ends[2];
  CHECK_EQ_INT(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ_INT(posix_spawn_file_actions_init(&actions), 0);
  CHECK_EQ_INT(posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO), 0);
  CHECK_EQ_INT(posix_spawnp(child, "cat", &actions, NULL, arguments, environ), 0);
  CHECK_EQ_INT(posix_spawn_file_actions_destroy(&actions), 0);
  close(ends[0]);
  return ends[1];
}

static void child_end(pid_t child, int input) {
  int status;
  close(input);
  CHECK_EQ_INT(waitpid(child, &status, 0), child);
  CHECK_EQ_INT(status, 0);
}

static void server_open_at(struct consumer *c, uint16_t port) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_PORT] = port;
  c->config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(c);
  consumer_start_pump(c);
}

TEST(every_descriptor_closes_when_another_program_is_executed) {
  static bool before[DESCRIPTORS], now[DESCRIPTORS];
  struct consumer server, client;
  unsigned ours = 0;
  open_descriptors(before);
  server_open_at(&server, 0);
  client_open(&client);
  connect_pair_of(&client, &server);
  open_descriptors(now);
  for (int fd = 0; fd < DESCRIPTORS; fd++) {
    if (!now[fd] || before[fd]) continue;
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ours++;
  }
  CHECK_EQ_INT(ours, 2 + 2 + 2); /* two sockets, and the pump has a pair, an epoll instance and a timer */
  consumer_close(&client);
  consumer_close(&server);
  open_descriptors(now);
  CHECK(memcmp(before, now, sizeof(now)) == 0);
  check_nothing_left();
}

TEST(a_child_process_does_not_hold_the_port) {
  struct consumer server;
  uint16_t port;
  pid_t child;
  int input;
  server_open_at(&server, 0);
  port = port_of(&server);
  input = child_start(&child);
  consumer_close(&server);
  server_open_at(&server, port);
  CHECK_EQ_INT(port_of(&server), port);
  consumer_close(&server);
  child_end(child, input);
  check_nothing_left();
}

/* As ENet creates its own. */
TEST(the_socket_has_the_options_that_enet_sets) {
  static const int options[] = {SO_BROADCAST, SO_RCVBUF, SO_SNDBUF, SO_REUSEADDR};
  struct consumer server;
  ENetHost *plain = enet_host_create(NULL, 1, 1, 0, 0);
  int socket;
  server_open(&server);
  socket = host_of(&server)->enet->socket;
  for (size_t i = 0; i < TEST_COUNT(options); i++) {
    int ours = -1, theirs = -2;
    socklen_t length = sizeof(ours);
    CHECK_EQ_INT(getsockopt(socket, SOL_SOCKET, options[i], &ours, &length), 0);
    CHECK_EQ_INT(getsockopt(plain->socket, SOL_SOCKET, options[i], &theirs, &length), 0);
    CHECK_EQ_INT(ours, theirs);
  }
  CHECK_EQ_INT(fcntl(socket, F_GETFL), fcntl(plain->socket, F_GETFL));
  CHECK_EQ_INT(host_of(&server)->enet->address.port, port_of(&server));
  CHECK_EQ_INT(host_of(&server)->enet->address.host, ENET_HOST_TO_NET_32(LOOPBACK));
  enet_host_destroy(plain);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(every_descriptor_closes_when_another_program_is_executed),
      TEST_CASE(a_child_process_does_not_hold_the_port),
      TEST_CASE(the_socket_has_the_options_that_enet_sets),
  };
  return test_run(cases, TEST_COUNT(cases));
}

#else

TEST(a_host_has_its_address) {
  struct consumer server;
  server_open(&server);
  CHECK_EQ_INT(host_of(&server)->enet->address.port, port_of(&server));
  consumer_close(&server);
}

int main(void) {
  static const struct test_case cases[] = {TEST_CASE(a_host_has_its_address)};
  return test_run(cases, TEST_COUNT(cases));
}

#endif
