// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

@Suite struct ConstraintLineTests {
  struct Row: Sendable {
    let text: String
    /// What the other lines of the report know.
    var comm: String?
    var oomPath: String?
    /// scope, tid, uid; nodes of the policy; allowed nodes; path of the limit; path of the task; comm.
    let found: String?
  }

  static let start = "oom-kill:constraint=CONSTRAINT_"
  static let memcg = start + "MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"

  static let rows: [Row] = [
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task=hog,pid=7,uid=5", found: "memcg 7 5 [] [0] /a /a/b hog"),
    Row(text: memcg + "oom_memcg=/,task_memcg=/a/b,task=hog,pid=7,uid=0", found: "memcg 7 0 [] [0] / /a/b hog"),
    Row(
      text: start + "NONE,nodemask=(null),cpuset=x,mems_allowed=0-1,3,global_oom,task_memcg=/,task=hog,pid=7,uid=-2",
      found: "system 7 4294967294 [] [0, 1, 3] nil / hog"),
    Row(
      text: start + "MEMORY_POLICY,nodemask=0,2-3,cpuset=/,mems_allowed=0-3,global_oom,task_memcg=/,task=a,pid=7,uid=0",
      found: "mempolicy 7 0 [0, 2, 3] [0, 1, 2, 3] nil / a"),
    Row(
      text: start + "CPUSET,nodemask=(null),cpuset=a,b=c,mems_allowed=1,global_oom,task_memcg=/x,task=,pid=7,uid=0",
      found: "cpuset 7 0 [] [1] nil /x "),
    // Kernels without memory cgroups, and without cpusets.
    Row(
      text: start + "NONE,nodemask=(null),cpuset=/,mems_allowed=0,task=a,pid=7,uid=0",
      found: "system 7 0 [] [0] nil nil a"),
    Row(
      text: start + "NONE,nodemask=(null),global_oom,task_memcg=/,task=a,pid=7,uid=0",
      found: "system 7 0 [] nil nil / a"),
    // Names that say what the kernel says.
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task=x,pid=1,uid=9,pid=7,uid=5",
      found: "memcg 7 5 [] [0] /a /a/b x,pid=1,uid=9"),
    Row(
      text: memcg + "oom_memcg=/a,task=x,pid=1,uid=0,task_memcg=/a,task=x,pid=1,uid=0/b,task=hog,pid=7,uid=5",
      found: "memcg 7 5 [] [0] /a,task=x,pid=1,uid=0 /a,task=x,pid=1,uid=0/b hog"),
    Row(
      text: start + "MEMCG,nodemask=(null),cpuset=e,mems_allowed=0,mems_allowed=1,oom_memcg=/f,task_memcg=/f/g,"
        + "mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=h,pid=7,uid=5",
      found: "memcg 7 5 [] [1] /f /f/g,mems_allowed=0,oom_memcg=/a,task_memcg=/a h"),
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task_memcg=/a,task_memcg=/a/b,task=h,pid=7,uid=5",
      found: "memcg 7 5 [] [0] nil nil h"),
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task_memcg=/a,task_memcg=/a/b,task=h,pid=7,uid=5", oomPath: "/a",
      found: "memcg 7 5 [] [0] /a /a/b,task_memcg=/a,task_memcg=/a/b h"),
    Row(
      text: start + "MEMCG,nodemask=(null),cpuset=e/f,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=h,pid=7,uid=5",
      found: nil),
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task=c,task=,task=d,pid=7,uid=5", found: "memcg 7 5 [] [0] /a nil nil"
    ),
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task=c,task=,task=d,pid=7,uid=5", comm: ",task=d",
      found: "memcg 7 5 [] [0] /a /a/b,task=c ,task=d"),
    Row(
      text: memcg + "oom_memcg=/a,task_memcg=/a/b,task=hog,pid=7,uid=5", comm: "dog",
      found: "memcg 7 5 [] nil nil nil nil"),
    // A task outside of the limit's cgroup cannot be.
    Row(text: memcg + "oom_memcg=/a,task_memcg=/ab,task=hog,pid=7,uid=5", found: nil),
    Row(text: memcg + "global_oom,task_memcg=/ab,task=hog,pid=7,uid=5", found: nil),
    Row(text: memcg + "oom_memcg=/a,task_memcg=/a,task=hog,pid=7,uid=5 ", found: nil),
    Row(text: memcg + "oom_memcg=/a,task_memcg=/a,task=hog,pid=7,uid=", found: nil),
    Row(text: memcg + "oom_memcg=/a,task_memcg=/a,task=hog,pid=,uid=5", found: nil),
    Row(text: memcg + "oom_memcg=/a,task_memcg=/a,task=hog,pid=0,uid=5", found: nil),
    Row(text: memcg + "oom_memcg=/a,task_memcg=/a", found: nil),
    Row(
      text: start + "NEW,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=a,pid=7,uid=0", found: nil
    ),
    Row(
      text: start + "NONE,nodemask=9-1,cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=a,pid=7,uid=0", found: nil),
    Row(
      text: start + "NONE,nodemask=0-9999,cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=a,pid=7,uid=0",
      found: nil),
    Row(
      text: start + "NONE,nodemask=(null),cpuset=/,mems_allowed=x,global_oom,task_memcg=/,task=a,pid=7,uid=0",
      found: nil),
    Row(text: start, found: nil),
    Row(text: "", found: nil),
  ]

  @Test("Unquoted names are divided only where one way alone fits the rest of the report", arguments: rows)
  func parsing(_ row: Row) {
    let found = ConstraintLine(Array(row.text.utf8)).map { line -> String in
      let paths = line.paths(comm: row.comm.map { KernelName($0) }, oomPath: row.oomPath.map { KernelName($0) })
      let nodes = paths.allowedNodes.map { "\($0)" } ?? "nil"
      let names = [paths.oomPath, paths.taskPath, paths.comm].map { $0?.text ?? "nil" }.joined(separator: " ")
      return "\(line.scope.rawValue) \(line.chosenTID) \(line.uid) \(line.policyNodes) \(nodes) \(names)"
    }
    #expect(found == row.found)
  }

  @Test("A name of nothing but separators is given up, and what stands beside it is kept")
  func manyReadings() {
    let name = String(repeating: ",task_memcg=/", count: 900)
    let text = ConstraintLineTests.memcg + "oom_memcg=/,task_memcg=/\(name),task=a,pid=7,uid=5"
    let paths = ConstraintLine(Array(text.utf8))?.paths(comm: nil, oomPath: nil)
    #expect(paths == ConstraintLine.Paths(allowedNodes: [0], oomPath: nil, taskPath: nil, comm: KernelName("a")))
  }
}
