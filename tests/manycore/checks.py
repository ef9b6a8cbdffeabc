"""Judges what the virtual machine printed (guest.sh) and prints the results."""

import re

SECTION = re.compile(r"^@@ begin (\S+)\n(.*?)^@@ end \1 (\d+) (\S+)$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"^ *(\d+) +(\d+) +(\d+) +(\d+) +(\d+)  (.*)$", re.MULTILINE)
# what 6.1 is known to grant; see docs/decisions.md
FEATURES_OF_6_1 = {"uring", "defer_taskrun", "registered_ring", "buffer_ring", "recv_multishot",
                   "accept_multishot"}


class Section:
    def __init__(self, code, text, ended_s):
        self.code = code
        self.text = text
        self.ended_s = ended_s  # after the boot, by the machine's clock

    def stats(self, after=""):
        """STAT lines behind a marker line, as a dictionary."""
        text = self.text.split("\n%s\n" % after, 1)[-1] if after else self.text
        found = {}
        for name, value in re.findall(r"^STAT (\S+) (.*)$", text, re.MULTILINE):
            found.setdefault(name, value)
        return found

    def places(self):
        """Of each planned thread: (processor, core, sibling, node, where it runs)."""
        return [(int(row[1]), int(row[2]), int(row[3]), int(row[4]), row[5])
                for row in PLACE.findall(self.text)]

    def bindings(self):
        """Of each serving thread, by number: the processors where the kernel lets it run."""
        names = dict(re.findall(r"task/(\d+)/comm:larder-(\d+)$", self.text, re.MULTILINE))
        allowed = dict(re.findall(r"task/(\d+)/status:Cpus_allowed_list:\s*(\S+)$", self.text,
                                  re.MULTILINE))
        return {int(number): allowed.get(task) for task, number in names.items()}

    def loads(self):
        """The load generator's last lines, as dictionaries."""
        return [dict(word.split("=", 1) for word in line.split())
                for line in re.findall(r"^result (phase=.*)$", self.text, re.MULTILINE)]


def sections_of(output):
    return {name: Section(int(code), text, float(at))
            for name, text, code, at in SECTION.findall(output)}


def numbers_of(text):
    """The set that a list such as 0-3,8 means."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


class Checks:
    def __init__(self, tap, shape, sections, far_cpus, far_nodes):
        self.tap = tap
        self.shape = shape
        self.sections = sections
        self.far_cpus = far_cpus
        self.far_nodes = far_nodes

    def section(self, name):
        """A section that ended with 0, or None, which has been reported."""
        found = self.sections.get(name)
        title = "%s: %s ends with exit code 0" % (self.shape.name, name)
        if found is None:
            self.tap.fail(title, "not reached")
        elif found.code != 0:
            self.tap.fail(title, "exit code %d\n%s" % (found.code, found.text[-3000:]))
        else:
            self.tap.ok(title)
            return found
        return None

    def check(self, good, name, why=""):
        return self.tap.check(good, "%s: %s" % (self.shape.name, name), why)

    # -- where threads run ---------------------------------------------------------------------

    def topology(self):
        shape = self.shape
        auto = self.section("topology-auto")
        if auto:
            places = auto.places()
            head = "machine  %d packages, %d NUMA nodes, %d cores, %d processors" % (
                shape.nodes, shape.nodes, shape.physical, shape.cpus)
            self.check(head in auto.text, "the machine is seen as it is", auto.text[:500])
            self.check(len(places) == shape.physical and len({p[1] for p in places}) == len(places)
                       and all(p[2] == 0 for p in places),
                       "one thread a physical core", auto.text)
            self.check(all(place[3] == i % shape.nodes == shape.node_of(place[0])
                           for i, place in enumerate(places)),
                       "threads alternate between the nodes", auto.text)
            self.check("pinned   yes" in auto.text, "threads that cover the cores are pinned",
                       auto.text[:500])
        every = self.section("topology-cpus")
        if every:
            places = every.places()
            self.check({p[0] for p in places} == set(range(shape.cpus)) and
                       all(p[2] == i // shape.physical for i, p in enumerate(places)),
                       "siblings of a core come last", every.text)
        two = self.section("topology-two")
        if two:
            self.check("pinned   no" in two.text and
                       all(place[4] == "node %d" % place[3] for place in two.places()),
                       "two threads keep to their nodes", two.text)

    def bound(self, name, section, planned):
        """planned: the places of a plan with as many threads, as the server makes."""
        bindings = section.bindings()
        wanted = {i: str(place[0]) for i, place in enumerate(planned)}
        self.check(bindings == wanted, name + ": every thread is bound as planned",
                   "%s\nwanted %s" % (bindings, wanted))

    # -- serving -------------------------------------------------------------------------------

    def serve(self, back_end, connections, operations):
        section = self.section("serve-" + back_end)
        if section is None:
            return
        planned = self.sections["topology-auto"].places()
        held = section.stats("held")
        loaded = section.stats("loaded")
        cores = range(self.shape.physical)
        self.check(held.get("io_backend") == back_end, back_end + ": the back end is the one "
                   "asked for", section.text[:500])
        self.bound(back_end, section, planned)
        spread = [int(held.get("core_%d_connections" % i, "-1")) for i in cores]
        # the one that asks for statistics is there too
        self.check(sum(spread) in (connections, connections + 1) and
                   max(spread) - min(spread) <= 1,
                   back_end + ": connections are spread evenly over the cores", str(spread))
        requests = [int(loaded.get("core_%d_requests" % i, "0")) for i in cores]
        self.check(min(requests) > 0, back_end + ": every core has served requests", str(requests))
        self.load(back_end, section, operations)
        self.check("log Exiting normally" in section.text,
                   back_end + ": SIGTERM ends it, with open connections on every core",
                   section.text[-1000:])
        if back_end == "uring":
            self.features(held)

    def load(self, name, section, operations):
        runs = [one for one in section.loads() if one.get("phase") == "run"]
        good = ("load ended with 0" in section.text and len(runs) == 1 and
                int(runs[0].get("ops", "0")) >= operations and runs[0].get("misses") == "0")
        self.check(good, name + ": every reply of the load is right",
                   "\n".join(re.findall(r"^(?:result|load|larder-load).*$", section.text,
                                        re.MULTILINE)))

    def features(self, stats):
        text = stats.get("io_features", "")
        release = self.sections["kernel"].text.split("\n", 1)[0]
        self.tap.note("Linux %s grants %s" % (release, text))
        name = "Linux %s grants what io_uring of 6.1 has" % release
        if release.startswith("6.1."):
            self.check(FEATURES_OF_6_1 <= set(text.split()), name, text)

    # -- where memory lies ---------------------------------------------------------------------

    def placed(self, section_name, nodes):
        """Pages of the items prefer a node, lie there, and all nodes have their share."""
        section = self.section(section_name)
        if section is None:
            return
        preferred = {}
        astray = 0
        for line in re.findall(r"^[0-9a-f]+ (prefer.*)$", section.text, re.MULTILINE):
            wanted = re.match(r"prefer[^:]*:(\S+)", line).group(1)
            for node, pages in re.findall(r"\bN(\d+)=(\d+)", line):
                share = preferred.setdefault(wanted, 0)
                preferred[wanted] = share + int(pages)
                astray += int(pages) if node != wanted else 0
        self.tap.note("%s: pages by preferred node %s, elsewhere %d" % (section_name, preferred,
                                                                        astray))
        self.load(section_name, section, 1000)
        total = sum(preferred.values())
        self.check(set(preferred) == {str(node) for node in nodes},
                   section_name + ": memory prefers exactly the nodes that it may use",
                   "%s\n%s" % (preferred, section.text[-3000:]))
        self.check(total > 0 and astray * 20 <= total,
                   section_name + ": memory lies where it is preferred", "%d of %d" % (astray,
                                                                                      total))
        shares = [preferred.get(str(node), 0) for node in nodes]
        self.check(total > 0 and min(shares) * 2 >= max(shares),
                   section_name + ": the nodes have even shares", str(preferred))

    # -- a part of the machine -----------------------------------------------------------------

    def far(self):
        self.section("far-group")
        cpus, nodes = numbers_of(self.far_cpus), numbers_of(self.far_nodes)
        plan = self.section("far-topology")
        if plan:
            places = plan.places()
            cores = {cpu // self.shape.threads for cpu in cpus}
            self.check({p[0] for p in places} <= cpus and len(places) == len(cores) and
                       {p[3] for p in places} == nodes and "pinned   yes" in plan.text,
                       "a cpuset is planned for and pinned to", plan.text)
            place = self.sections.get("far-place")
            if place is not None:
                self.bound("far-place", place, places)
        quota = self.section("far-quota")
        if quota:
            self.check(len(quota.places()) == 2 and "quota    1.500 processors" in quota.text,
                       "-t auto takes the threads that the quota pays for", quota.text)
        self.placed("far-place", sorted(nodes))

    def durations(self):
        before = 0.0
        parts = []
        for name, section in self.sections.items():
            parts.append("%s %.1f" % (name, section.ended_s - before))
            before = section.ended_s
        self.tap.note("seconds: " + ", ".join(parts))

    # -- test programs -------------------------------------------------------------------------

    def programs(self):
        for name in sorted(self.sections):
            if not name.startswith("test-"):
                continue
            section = self.sections[name]
            results = re.findall(r"^(not ok|ok) .*$", section.text, re.MULTILINE)
            self.check(section.code == 0 and "not ok" not in results and results,
                       "%s passes, %d results" % (name[len("test-"):], len(results)),
                       "exit code %d\n%s" % (section.code, section.text[-4000:]))
