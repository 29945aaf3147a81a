// SPDX-License-Identifier: Apache-2.0
import Events

/// `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=hog,pid=1,uid=0`.
///
/// Three names and a comm stand in it unquoted, and each may hold commas and equals signs: so both ends are read first,
/// and `paths` then takes only what every reading that fits the rest of the report agrees on.
/// Kernel: mm/oom_kill.c, dump_oom_summary(); mm/memcontrol.c, mem_cgroup_print_oom_context().
struct ConstraintLine: Hashable {
  /// Readings of one line that are weighed; with more it counts as ambiguous.
  static let readingsMax = 256

  let scope: Scope
  /// Nodes of the allocation's policy; empty where it had none.
  let policyNodes: [Int]
  /// The chosen task: the leader of a process, but the allocating thread under vm.oom_kill_allocating_task.
  let chosenTID: Int32
  let uid: UInt32
  private let readings: [Reading]

  /// One way to divide the line.
  private struct Reading: Hashable {
    var allowedNodes: [Int]?
    var oomPath: KernelName?
    var taskPath: KernelName?
    var comm: KernelName
  }

  /// What is certain of the names; nil where it is not, or was not printed.
  struct Paths: Hashable {
    var allowedNodes: [Int]?
    var oomPath: KernelName?
    var taskPath: KernelName?
    var comm: KernelName?
  }

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    guard scanner.skip("oom-kill:constraint=CONSTRAINT_") else { return nil }
    switch String(decoding: scanner.take { $0 != UInt8(ascii: ",") }, as: UTF8.self) {
    case "NONE": scope = .system
    case "MEMCG": scope = .memcg
    case "CPUSET": scope = .cpuset
    case "MEMORY_POLICY": scope = .mempolicy
    default: return nil
    }
    guard scanner.skip(",nodemask=") else { return nil }
    if scanner.skip("(null)") {
      policyNodes = []
    } else {
      // The list ends with a comma of its own where ",cpuset=" follows.
      var list = scanner.take { $0.isInNodeList }
      guard list.last == UInt8(ascii: ",") else { return nil }
      list = list.dropLast()
      guard let nodes = ConstraintLine.nodes(list) else { return nil }
      policyNodes = nodes
      scanner = ByteScanner(text[list.endIndex...])
    }
    guard let end = ConstraintLine.ending(text[scanner.index...]) else { return nil }
    (chosenTID, uid) = (end.tid, end.uid)
    readings = ConstraintLine.readings(text[scanner.index..<end.start], scope: scope)
    guard !readings.isEmpty else { return nil }
  }

  /// Whether the line has its end, so that nothing of it is still to come.
  static func isComplete(_ text: [UInt8]) -> Bool { ending(text[...]) != nil }

  /// What all readings say that fit: `comm` of the chosen task and the path of the limit, each where it is known.
  func paths(comm: KernelName?, oomPath: KernelName?) -> Paths {
    let fitting = readings.filter { reading in
      (comm == nil || reading.comm == comm) && (oomPath == nil || reading.oomPath == oomPath)
    }
    guard let first = fitting.first, readings.count <= ConstraintLine.readingsMax else { return Paths() }
    func agreed<Value: Equatable>(_ field: KeyPath<Reading, Value?>) -> Value? {
      fitting.allSatisfy { $0[keyPath: field] == first[keyPath: field] } ? first[keyPath: field] : nil
    }
    return Paths(
      allowedNodes: agreed(\.allowedNodes), oomPath: agreed(\.oomPath), taskPath: agreed(\.taskPath),
      comm: fitting.allSatisfy { $0.comm == first.comm } ? first.comm : nil)
  }

  /// `,pid=1,uid=0` at the very end, from right to left. `uid` is printed with %d.
  private static func ending(_ text: ArraySlice<UInt8>) -> (start: Int, tid: Int32, uid: UInt32)? {
    guard let uidStart = text.suffix(17).places(of: ",uid=").last else { return nil }
    var uidScanner = ByteScanner(text[(uidStart + 5)...])
    guard let uid = uidScanner.userID(), uidScanner.isAtEnd else { return nil }
    let head = text[..<uidStart]
    guard let start = head.suffix(16).places(of: ",pid=").last else { return nil }
    var scanner = ByteScanner(head[start...])
    guard let tid: Int32 = scanner.number(after: ",pid="), tid > 0, scanner.isAtEnd else { return nil }
    return (start, tid, uid)
  }

  /// All ways to divide `[,cpuset=NAME,mems_allowed=LIST](,oom_memcg=PATH|,global_oom|),task_memcg=PATH,task=COMM`.
  private static func readings(_ text: ArraySlice<UInt8>, scope: Scope) -> [Reading] {
    var found: [Reading] = []
    for taskStart in text.suffix(HeaderLine.commBytesMax + 6).places(of: ",task=") {
      let comm = KernelName(bytes: Array(text[(taskStart + 6)...]))
      let head = text[..<taskStart]
      if let nodes = allowedNodes(head), scope != .memcg {
        found.append(Reading(allowedNodes: nodes.list, comm: comm))
      }
      for pathStart in head.places(of: ",task_memcg=/") {
        let taskPath = head[(pathStart + 12)...]
        for reading in limitReadings(head[..<pathStart], scope: scope, taskPath: taskPath) {
          found.append(
            Reading(
              allowedNodes: reading.nodes, oomPath: reading.oomPath, taskPath: KernelName(bytes: Array(taskPath)),
              comm: comm))
          if found.count > readingsMax { return found }
        }
      }
    }
    return found
  }

  private static func limitReadings(
    _ text: ArraySlice<UInt8>, scope: Scope, taskPath: ArraySlice<UInt8>
  ) -> [(nodes: [Int]?, oomPath: KernelName?)] {
    guard scope == .memcg else {
      guard text.ends(with: ",global_oom"), let nodes = allowedNodes(text.dropLast(11)) else { return [] }
      return [(nodes.list, nil)]
    }
    return text.places(of: ",oom_memcg=/").compactMap { start in
      let path = text[(start + 11)...]
      guard let nodes = allowedNodes(text[..<start]), isWithin(taskPath, path) else { return nil }
      return (nodes.list, KernelName(bytes: Array(path)))
    }
  }

  /// The nodes at the end of `,cpuset=NAME,mems_allowed=LIST`; a nil list where a kernel without cpusets prints nothing.
  private static func allowedNodes(_ text: ArraySlice<UInt8>) -> (list: [Int]?, Void)? {
    if text.isEmpty { return (nil, ()) }
    guard text.begins(with: ",cpuset=") else { return nil }
    var start = text.endIndex
    while start > text.startIndex, text[start - 1].isInNodeList { start -= 1 }
    guard text[..<start].ends(with: ",mems_allowed="), let list = nodes(text[start...]) else { return nil }
    // It is a name and no path: so the first path of the line is the limit's, whatever the cpuset is called.
    let name = text[..<start].dropFirst(8).dropLast(14)
    guard !name.contains(0x2f) || Array(name) == [0x2f] else { return nil }
    return (list, ())
  }

  /// A task that a memory cgroup's limit may kill is in that cgroup or below it.
  private static func isWithin(_ path: ArraySlice<UInt8>, _ ancestor: ArraySlice<UInt8>) -> Bool {
    guard ancestor.count > 1 else { return true }
    return path.starts(with: ancestor) && (path.count == ancestor.count || path.dropFirst(ancestor.count).first == 0x2f)
  }

  /// `0-1,3` as numbers. Kernel: include/linux/nodemask.h, MAX_NUMNODES is at most 1024.
  private static func nodes(_ list: ArraySlice<UInt8>) -> [Int]? {
    var scanner = ByteScanner(list)
    var nodes: [Int] = []
    repeat {
      guard let first: UInt16 = scanner.number() else { return nil }
      var last = first
      if scanner.skip("-") {
        guard let end: UInt16 = scanner.number(), end >= first else { return nil }
        last = end
      }
      guard last < 1024, nodes.count < 1024 else { return nil }
      nodes.append(contentsOf: (Int(first)...Int(last)))
    } while scanner.skip(",")
    return scanner.isAtEnd ? nodes : nil
  }
}
