// SPDX-License-Identifier: Apache-2.0
import Events

/// One declared oom_score_adj: whom it is for, and why.
///
/// Shape: docs/protect.md, `rules`.
package struct ProtectionRule: Hashable, Sendable {
  /// What a process may be told by.
  package enum Key: String, CaseIterable, Sendable {
    case comm, exe, cmdline, user, cgroup, unit, container
  }

  /// The bytes of a `comm` without its NUL. Kernel: include/linux/sched.h, TASK_COMM_LEN.
  package static let commBytesMax = 15

  package var name: String
  /// Each key has to match, by one of its patterns.
  package var patterns: [Key: [String]]
  package var oomScoreAdj: Int
  package var reason: String?
  /// Where it was declared: `protect.yaml:12`, or the option.
  package var origin: String

  package init(name: String, patterns: [Key: [String]], oomScoreAdj: Int, reason: String?, origin: String) {
    self.name = name
    self.patterns = patterns
    self.oomScoreAdj = oomScoreAdj
    self.reason = reason
    self.origin = origin
  }

  /// Names among its `comm` that no process can have: longer than the kernel holds, and no patterns.
  package var tooLongNames: [String] {
    (patterns[.comm] ?? []).filter { name in
      name.utf8.count > ProtectionRule.commBytesMax && !name.utf8.contains { "*?[\\".utf8.contains($0) }
    }
  }

  /// Whether it is for this process.
  ///
  /// - Parameters:
  ///   - unread: keys that were not looked at yet: they are taken to match.
  ///   - glob: whether a name is of a pattern, as fnmatch(3) has it.
  package func matches(
    _ subject: ProtectionSubject, unread: Set<Key> = [], glob: (String, KernelName?) -> Bool
  ) -> Bool {
    !patterns.isEmpty
      && patterns.allSatisfy { key, patterns in
        unread.contains(key) || patterns.contains { subject.matches(key, $0, glob) }
      }
  }
}

/// What rules may ask of one process. A nil field is not known, and matches nothing.
///
/// File: /proc/PID/stat, status, exe, cmdline, cgroup.
package struct ProtectionSubject: Hashable, Sendable {
  package var pid: Int32
  package var comm: KernelName
  package var exe: KernelName?
  /// The arguments with one blank between them.
  package var cmdline: KernelName?
  package var uid: UInt32?
  package var user: String?
  package var cgroup: KernelName?
  package var unit: String?
  package var container: ContainerRef?

  package init(pid: Int32, comm: KernelName) {
    self.pid = pid
    self.comm = comm
  }

  /// docker's short id: fewer digits of one are no name of a container.
  private static let shortIDDigits = 12

  fileprivate func matches(
    _ key: ProtectionRule.Key, _ pattern: String, _ glob: (String, KernelName?) -> Bool
  ) -> Bool {
    switch key {
    case .comm: return glob(pattern, comm)
    case .exe: return glob(pattern, exe?.withoutDeletedMark)
    case .cmdline: return glob(pattern, cmdline)
    case .user: return glob(pattern, user.map { KernelName($0) }) || uid.map { pattern == "\($0)" } == true
    case .cgroup: return glob(pattern, cgroup)
    case .unit: return glob(pattern, unit.map { KernelName($0) })
    case .container:
      guard let id = container?.id else { return false }
      return glob(pattern, KernelName(id))
        || (pattern.utf8.count >= ProtectionSubject.shortIDDigits && id.hasPrefix(pattern))
    }
  }
}

extension KernelName {
  /// A program whose file was replaced by a newer one still is what it was. Kernel: fs/d_path.c, " (deleted)".
  fileprivate var withoutDeletedMark: KernelName {
    let mark = Array(" (deleted)".utf8)
    return bytes.count > mark.count && bytes.suffix(mark.count).elementsEqual(mark)
      ? KernelName(bytes: Array(bytes.dropLast(mark.count))) : self
  }
}

/// All rules that were declared, and what they say together.
///
/// Two that want different values of one process disagree: then neither is right.
package struct RuleSet: Hashable, Sendable {
  package enum Verdict: Hashable, Sendable {
    case none
    /// By the first that matches; all others that match want the same.
    case set(ProtectionRule)
    case disagree(ProtectionRule, ProtectionRule)
  }

  package var rules: [ProtectionRule]

  package init(_ rules: [ProtectionRule]) { self.rules = rules }

  /// Keys that any rule asks for.
  package var keys: Set<ProtectionRule.Key> { Set(rules.flatMap(\.patterns.keys)) }

  package func verdict(on subject: ProtectionSubject, glob: (String, KernelName?) -> Bool) -> Verdict {
    verdict(of: matching(subject, glob: glob))
  }

  /// The places of all rules that are for it.
  package func matching(_ subject: ProtectionSubject, glob: (String, KernelName?) -> Bool) -> [Int] {
    rules.indices.filter { rules[$0].matches(subject, glob: glob) }
  }

  /// What the rules at these places say together.
  package func verdict(of places: [Int]) -> Verdict {
    guard let first = places.first.map({ rules[$0] }) else { return .none }
    let other = places.first { rules[$0].oomScoreAdj != first.oomScoreAdj }
    return other.map { .disagree(first, rules[$0]) } ?? .set(first)
  }

  /// Whether any rule may be for it, by what was read so far.
  package func mayMatch(
    _ subject: ProtectionSubject, unread: Set<ProtectionRule.Key>, glob: (String, KernelName?) -> Bool
  ) -> Bool {
    rules.contains { $0.matches(subject, unread: unread, glob: glob) }
  }
}
