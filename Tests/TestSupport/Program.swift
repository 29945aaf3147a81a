// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A child process with its output in files: started, awaited, signalled by its pid and nothing else.
public final class Program {
  public struct Ended: Equatable, Sendable {
    /// As a shell gives it: the exit status, or 128 and the signal.
    public var status: Int32
    public var output: String
    public var errors: String
  }

  public let pid: pid_t
  private let outputPath: String?
  private let errorPath: String
  private var status: Int32?

  /// The binary under test: OOMWITNESS_BINARY, else the release build.
  public static let oomwitness =
    getenv("OOMWITNESS_BINARY").map { String(cString: $0) }
    ?? Repository.root + "/.build/release/oomwitness"

  /// - Parameters:
  ///   - output: a descriptor that becomes standard output; nil: a file that `wait()` gives back.
  public init(_ path: String, _ arguments: [String], output: Int32? = nil, environment: [String: String] = [:]) {
    let name = "/tmp/oomwitness-test-\(getpid())-\(Program.next())"
    outputPath = output == nil ? name + ".out" : nil
    errorPath = name + ".err"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if let output {
      posix_spawn_file_actions_adddup2(&actions, output, 1)
    } else {
      posix_spawn_file_actions_addopen(&actions, 1, outputPath!, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    }
    posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
    variables += environment.map { "\($0.key)=\($0.value)" }
    let argv = ([path] + arguments).map { strdup($0) } + [nil]
    let envp = variables.map { strdup($0) } + [nil]
    defer {
      for pointer in argv + envp { free(pointer) }
      posix_spawn_file_actions_destroy(&actions)
    }
    // What the test process blocks, its children would never get.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    defer { posix_spawnattr_destroy(&attributes) }
    var child: pid_t = 0
    let error = posix_spawn(&child, path, &actions, &attributes, argv, envp)
    pid = error == 0 ? child : -1
    if error != 0 { status = 127 }
  }

  /// Runs it to its end.
  public static func run(
    _ path: String = Program.oomwitness, _ arguments: [String], environment: [String: String] = [:]
  ) -> Ended {
    Program(path, arguments, environment: environment).wait()
  }

  public func signal(_ number: Int32) { if status == nil { kill(pid, number) } }

  /// Waits for its end; after `seconds` it is killed, and its status is that of SIGKILL.
  public func wait(seconds: Double = 60) -> Ended {
    var rounds = Int(seconds * 100)
    while status == nil {
      var raw: Int32 = 0
      if waitpid(pid, &raw, WNOHANG) == pid {
        status = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + (raw & 0x7f)
      } else {
        usleep(10_000)
        rounds -= 1
        if rounds == 0 { kill(pid, SIGKILL) }
      }
    }
    let ended = Ended(status: status!, output: outputSoFar, errors: Files.text(errorPath) ?? "")
    if let outputPath { unlink(outputPath) }
    unlink(errorPath)
    return ended
  }

  /// What it has written so far.
  public var outputSoFar: String { outputPath.flatMap { Files.text($0) } ?? "" }

  /// Waits until the output holds `text`; false after `seconds`.
  public func waitForOutput(containing text: String, seconds: Double = 20) -> Bool {
    for _ in 0..<Int(seconds * 100) {
      if outputSoFar.contains(text) { return true }
      usleep(10_000)
    }
    return false
  }

  /// Two tests at once can have one nanosecond, and no one number.
  private static func next() -> Int { started.add(1, ordering: .relaxed).newValue }
  private static let started = Atomic(0)
}

/// Small files, whole.
public enum Files {
  /// Nil where it cannot be read.
  public static func text(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count <= 0 { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// True where all of it was written.
  @discardableResult public static func write(_ text: String, to path: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return text.withCString { Glibc.write(descriptor, $0, strlen($0)) } == text.utf8.count
  }

  /// Names in a folder, without `.` and `..`; empty where it cannot be read.
  public static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

/// The checkout that the tests belong to.
public enum Repository {
  public static let root: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
  }()

  /// All files below a folder whose names end so, as paths from the root of the checkout.
  public static func files(below folder: String, ending: [String]) -> [String] {
    var result: [String] = []
    for name in Files.names(in: root + "/" + folder) where !name.hasPrefix(".") {
      let path = folder + "/" + name
      let deeper = files(below: path, ending: ending)
      result += deeper.isEmpty && ending.contains { name.hasSuffix($0) } ? [path] : deeper
    }
    return result
  }
}

/// Why a test cannot run here; nil where it can. OOMWITNESS_MUST_RUN=1 lets it run and fail instead.
public enum Requirement {
  public static let mustRun = getenv("OOMWITNESS_MUST_RUN").map { $0.pointee == 0x31 } ?? false

  /// Root, a memory cgroup to make, and BPF: what a real kill needs.
  public static let realKills: String? = {
    if geteuid() != 0 { return "real kills need root" }
    if ScratchCgroup.parent == nil { return "no memory cgroup can be made here" }
    return nil
  }()

  public static var allowsRealKills: Bool { mustRun || realKills == nil }
}

/// A memory cgroup of our own, in which real kills happen and hurt nobody else.
public final class ScratchCgroup {
  /// The folder below which it is made, and its version.
  static let parent: (path: String, version: Int)? = {
    let candidates = [("/sys/fs/cgroup/memory", 1), ("/sys/fs/cgroup", 2)]
    for (path, version) in candidates {
      if version == 2 { Files.write("+memory", to: path + "/cgroup.subtree_control") }
      let probe = path + "/oomwitness-probe-\(getpid())"
      guard mkdir(probe, 0o755) == 0 else { continue }
      defer { rmdir(probe) }
      if access(probe + "/" + (version == 1 ? "memory.limit_in_bytes" : "memory.max"), W_OK) == 0 {
        return (path, version)
      }
    }
    return nil
  }()

  /// The version of the hierarchy that has the memory controller; nil where none can be made.
  public static var hostVersion: Int? { parent?.version }

  /// The root of that hierarchy; empty where none can be made.
  public static var parentFolder: String { parent?.path ?? "" }

  /// From the root of the hierarchy, as events show it.
  public let path: String
  public let version: Int
  /// Its directory.
  public let folder: String

  /// - Parameter name: the path below the root; made unique by the caller. The groups above it are made and not removed.
  public init(_ name: String, limitBytes: Int) {
    let parent = ScratchCgroup.parent!
    path = "/" + name
    version = parent.version
    folder = parent.path + "/" + name
    var above = parent.path
    for part in name.split(separator: "/").dropLast() {
      above += "/" + part
      mkdir(above, 0o755)
      if version == 2 { Files.write("+memory", to: above + "/cgroup.subtree_control") }
    }
    mkdir(folder, 0o755)
    Files.write("\(limitBytes)", to: folder + (version == 1 ? "/memory.limit_in_bytes" : "/memory.max"))
  }

  /// Runs a shell that moves itself in, and then becomes the command.
  public func run(_ command: String) -> Program.Ended {
    Program("/bin/sh", ["-c", "echo $$ > '\(folder)/cgroup.procs'; \(command)"]).wait()
  }

  /// The same without waiting for its end.
  public func start(_ command: String) -> Program {
    Program("/bin/sh", ["-c", "echo $$ > '\(folder)/cgroup.procs'; \(command)"])
  }

  /// How often the kernel counted a kill here.
  public var kernelKills: Int {
    let text = Files.text(folder + (version == 1 ? "/memory.oom_control" : "/memory.events")) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
    return line.flatMap { Int($0.dropFirst("oom_kill ".count)) } ?? -1
  }

  /// Kills whoever is left in it, by pid.
  public func end() {
    for line in (Files.text(folder + "/cgroup.procs") ?? "").split(separator: "\n") {
      if let pid = pid_t(line), pid > 1 { kill(pid, SIGKILL) }
    }
  }

  deinit {
    for _ in 0..<100 {
      if rmdir(folder) == 0 || errno == ENOENT { break }
      usleep(20_000)
    }
  }
}
