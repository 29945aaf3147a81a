// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport

/// A tree of real control groups of our own, below one with a name that nobody else has; what runs in it ends with it.
final class ScratchGroups {
  static let top = "/sys/fs/cgroup/memory"
  /// From the root of the hierarchy.
  let path: String
  let name: String
  private var made: [String] = []
  private var running: [Program] = []
  private static let count = Atomic(0)

  init() {
    name = "oomwitness-cgroup-\(getpid())-\(ScratchGroups.count.add(1, ordering: .relaxed).newValue)"
    path = "/" + name
    add("")
  }

  /// Makes a group below, and those between.
  @discardableResult func add(_ below: String, limitBytes: Int? = nil) -> String {
    var whole = path
    var steps = [whole]
    for part in below.split(separator: "/") {
      whole += "/" + part
      steps.append(whole)
    }
    for step in steps where mkdir(ScratchGroups.top + step, 0o755) == 0 { made.append(step) }
    if let limitBytes { Files.write("\(limitBytes)", to: "\(ScratchGroups.top)\(whole)/memory.limit_in_bytes") }
    return whole
  }

  /// Starts a shell that moves itself in and then becomes the command, once it is there.
  @discardableResult func start(_ command: String, in path: String) -> Program {
    let procs = "\(ScratchGroups.top)\(path)/cgroup.procs"
    let program = Program("/bin/sh", ["-c", "echo $$ > '\(procs)' && \(command)"])
    for _ in 0..<1000 {
      if Files.text(procs)?.split(separator: "\n").contains("\(program.pid)") == true { break }
      usleep(5000)
    }
    running.append(program)
    return program
  }

  deinit {
    for program in running {
      program.signal(SIGKILL)
      _ = program.wait()
    }
    for path in made.reversed() {
      for _ in 0..<100 {
        for pid in (Files.text("\(ScratchGroups.top)\(path)/cgroup.procs") ?? "").split(separator: "\n") {
          _ = pid_t(pid).map { kill($0, SIGKILL) }
        }
        if rmdir(ScratchGroups.top + path) == 0 { break }
        usleep(20_000)
      }
    }
  }
}

/// Ids that no container of this machine has, each 64 hexadecimal digits and told apart by the first twelve.
enum MadeID {
  static func next() -> String {
    let number = String(UInt64(getpid()) << 20 | UInt64(count.add(1, ordering: .relaxed).newValue), radix: 16)
    return "e" + String(repeating: "0", count: 11 - min(11, number.count)) + number
      + String(repeating: "ab", count: 26)
  }
  private static let count = Atomic(0)
}
