# unit tests of server: two lines a test, sources are tests/unit/server/test_NAME.c by default
#     UNIT_TESTS += tests/unit/server/test_NAME
#     tests_unit_server_test_NAME_LDADD = $(UNIT_SERVER)
UNIT_SERVER = $(SERVER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/server/test_options
tests_unit_server_test_options_SOURCES = tests/unit/server/test_options.c \
	tests/unit/server/command_line.c tests/unit/server/command_line.h
tests_unit_server_test_options_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_settings
tests_unit_server_test_settings_SOURCES = tests/unit/server/test_settings.c \
	tests/unit/server/command_line.c tests/unit/server/command_line.h
tests_unit_server_test_settings_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_process
tests_unit_server_test_process_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_topology
tests_unit_server_test_topology_LDADD = $(UNIT_SERVER)
PLANS = tests/unit/server/plans
EXTRA_DIST += $(PLANS)/asymmetric.xml
EXTRA_DIST += $(PLANS)/asymmetric.txt
EXTRA_DIST += $(PLANS)/cpuset-siblings.txt
EXTRA_DIST += $(PLANS)/cpuset.txt
EXTRA_DIST += $(PLANS)/instances.txt
EXTRA_DIST += $(PLANS)/more-threads.txt
EXTRA_DIST += $(PLANS)/one-core-auto.txt
EXTRA_DIST += $(PLANS)/one-core.txt
EXTRA_DIST += $(PLANS)/pin-off.txt
EXTRA_DIST += $(PLANS)/pin-on.txt
EXTRA_DIST += $(PLANS)/quota.txt
EXTRA_DIST += $(PLANS)/siblings-last.txt
EXTRA_DIST += $(PLANS)/sub-numa.txt
EXTRA_DIST += $(PLANS)/two-sockets-auto.txt
EXTRA_DIST += $(PLANS)/two-sockets-default.txt

UNIT_TESTS += tests/unit/server/test_mailbox
tests_unit_server_test_mailbox_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_connection
tests_unit_server_test_connection_SOURCES = tests/unit/server/test_connection.c \
	tests/unit/server/rig.c tests/unit/server/rig.h
tests_unit_server_test_connection_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_stats
tests_unit_server_test_stats_SOURCES = tests/unit/server/test_stats.c \
	tests/unit/server/rig.c tests/unit/server/rig.h
tests_unit_server_test_stats_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_watch
tests_unit_server_test_watch_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_memory_plan
tests_unit_server_test_memory_plan_SOURCES = tests/unit/server/test_memory_plan.c \
	tests/unit/server/command_line.c tests/unit/server/command_line.h
tests_unit_server_test_memory_plan_LDADD = $(UNIT_SERVER)
