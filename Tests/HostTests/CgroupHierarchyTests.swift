// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Host

@Suite("The memory hierarchy is found in the table of mounts")
struct CgroupHierarchyTests {
  static let v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
  static let v1cpu = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu"
  static let named = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=memory"
  static let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
  static let bind = "42 31 0:32 /docker/1 /mnt/memory rw master:1 propagate_from:2 - cgroup cgroup rw,memory"
  static let odd = "43 31 0:32 / /mnt/a\\040b\\134c\\012d rw - cgroup cgroup rw,cpu,memory"
  /// The host's, as a container sees it whose own namespace of cgroups begins three groups below the root.
  static let host = "44 31 0:32 /../../.. /host/memory ro - cgroup cgroup rw,memory"
  static let cousin = "45 31 0:32 /../other /host/other ro - cgroup cgroup rw,memory"
  static let root = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755"

  private func find(_ lines: [String], controllers: String? = nil) throws -> CgroupHierarchy? {
    var files = ["proc/self/mountinfo": lines.map { $0 + "\n" }.joined()]
    files["sys/fs/cgroup/unified/cgroup.controllers"] = controllers
    let fixture = try Fixture(files)
    return try CgroupHierarchy.memory(procRoot: "\(fixture.root)/proc", root: fixture.root)
  }

  @Test("Version 1 wins, version 2 needs the controller, the mount that shows most wins, then the last")
  func choice() throws {
    func hierarchy(_ version: Int, _ point: String, _ root: String = "/") -> CgroupHierarchy {
      CgroupHierarchy(version: version, mountPoint: KernelName(point), mountRoot: KernelName(root))
    }
    let rows: [([String], String?, CgroupHierarchy?)] = [
      ([], nil, nil),
      ([Self.root, Self.v1cpu, Self.named], nil, nil),
      ([Self.root, Self.v1, Self.v2], "cpu memory\n", hierarchy(1, "/sys/fs/cgroup/memory")),
      ([Self.v2, Self.v1], "cpu memory\n", hierarchy(1, "/sys/fs/cgroup/memory")),
      ([Self.v2], "cpuset cpu io memory pids\n", hierarchy(2, "/sys/fs/cgroup/unified")),
      ([Self.v2], "cpu memoryx\n", nil),
      ([Self.v2], "\n", nil),
      ([Self.v2], nil, nil),
      ([Self.bind], nil, hierarchy(1, "/mnt/memory", "/docker/1")),
      ([Self.bind, Self.v1], nil, hierarchy(1, "/sys/fs/cgroup/memory")),
      ([Self.v1, Self.bind], nil, hierarchy(1, "/sys/fs/cgroup/memory")),
      ([Self.host], nil, hierarchy(1, "/host/memory")),
      ([Self.v1, Self.host], nil, hierarchy(1, "/host/memory")),
      ([Self.host, Self.cousin], nil, hierarchy(1, "/host/memory")),
      ([Self.cousin], nil, hierarchy(1, "/host/other", "/../other")),
      ([Self.v1, Self.odd], nil, hierarchy(1, "/mnt/a b\\c\nd")),
    ]
    for (lines, controllers, expected) in rows {
      #expect(try find(lines, controllers: controllers) == expected, "\(lines)")
    }
  }

  @Test(
    "Junk in the table is told with its line",
    arguments: [
      "", "x", "35 31 0:32 / /sys rw", "35 31 0:32 / /sys rw - cgroup", "35 31 0:32 / /sys rw cgroup cgroup rw x y z",
      "35 31 0:32 relative /sys rw - cgroup cgroup rw,memory", "35 31 0:32 / \\777 rw - cgroup cgroup rw,memory",
      "35 31 0:32 / /a\\777 rw - cgroup cgroup rw,memory",
    ])
  func junk(line: String) throws {
    let fixture = try Fixture(["self/mountinfo": "\(Self.root)\n\(line)\n"])
    let path = KernelName("\(fixture.root)/self/mountinfo")
    #expect(throws: HostError.malformed(path: path, line: 2, text: KernelName(line))) {
      try CgroupHierarchy.memory(procRoot: fixture.root, root: fixture.root)
    }
  }

  @Test("Without the table there is no hierarchy")
  func missing() throws {
    let fixture = try Fixture()
    #expect(try CgroupHierarchy.memory(procRoot: fixture.root) == nil)
  }

  @Test("Paths go from the hierarchy to the mount and back, and nothing leads outside")
  func paths() {
    let whole = CgroupHierarchy(version: 1, mountPoint: KernelName("/m"), mountRoot: KernelName("/"))
    let bind = CgroupHierarchy(version: 1, mountPoint: KernelName("/m"), mountRoot: KernelName("/docker/1"))
    let top = CgroupHierarchy(version: 2, mountPoint: KernelName("/"), mountRoot: KernelName("/"))
    let inMount: [(CgroupHierarchy, String, String?)] = [
      (whole, "/", "."), (whole, "/a/b", "a/b"), (whole, "//a//b/", "a/b"), (whole, "a", nil), (whole, "", nil),
      (whole, "/..", nil), (whole, "/a/../../etc", nil), (whole, "/a/./b", nil), (whole, "/a\0b", nil),
      (whole, "/a...b", "a...b"), (bind, "/docker/1", "."), (bind, "/docker/1/x", "x"), (bind, "/docker/10", nil),
      (bind, "/docker", nil), (bind, "/", nil),
    ]
    for (hierarchy, path, expected) in inMount {
      #expect(hierarchy.pathInMount(KernelName(path)) == expected.map { KernelName($0) }, "\(path)")
    }
    let inHierarchy: [(CgroupHierarchy, String, String?)] = [
      (whole, "/m", "/"), (whole, "/m/a/b", "/a/b"), (whole, "/mm/a", nil), (whole, "/", nil), (whole, "m/a", nil),
      (bind, "/m", "/docker/1"), (bind, "/m/x", "/docker/1/x"), (bind, "/", nil), (bind, "/system.slice", nil),
      (top, "/", "/"), (top, "/a", "/a"),
    ]
    for (hierarchy, path, expected) in inHierarchy {
      #expect(hierarchy.pathInHierarchy(KernelName(path)) == expected.map { KernelName($0) }, "\(path)")
    }
  }
}
