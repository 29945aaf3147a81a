// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy

/// Looks at the memory of the system and of control groups, and words what stands in the way.
final class PressureLooker {
  /// Why there is no reading.
  enum Obstacle: Error {
    /// There is no such group, or it has no limit.
    case group(String)
    case unreadable(String)

    var sentence: String {
      switch self {
      case .group(let sentence), .unreadable(let sentence): sentence
      }
    }
  }

  let identity: HostIdentity
  let memory: MemoryReader
  let cgroups: CgroupReader
  private let reader: PressureReader
  /// It reads what runtimes keep: made for the first group.
  private lazy var owners = ContainerResolver()

  init() throws(HostError) {
    identity = try HostIdentity()
    memory = try MemoryReader()
    cgroups = try CgroupReader()
    reader = PressureReader(memory: memory, cgroups: cgroups)
  }

  /// The system, or a group by its path from the root of the hierarchy.
  func reading(_ path: KernelName?) throws(Obstacle) -> PressureReading {
    let found: Result<PressureReading, Obstacle>
    do throws(HostError) {
      found = try look(path)
    } catch {
      throw .unreadable(Wording.sentence(error))
    }
    return try found.get()
  }

  private func look(_ path: KernelName?) throws(HostError) -> Result<PressureReading, Obstacle> {
    let system = try reader.system()
    guard let path else {
      return system.map { .success($0) }
        ?? .failure(.unreadable("/proc/meminfo does not say how much memory can be had"))
    }
    let shown = TerminalText.safe(path)
    switch try reader.group(path, system: system) {
    case .reading(var reading):
      reading.cgroup?.owner = owners.owner(ofCgroup: path)
      return .success(reading)
    case .gone:
      return .failure(.group("there is no memory cgroup \(shown) (paths are those of /proc/PID/cgroup)"))
    case .unlimited:
      let above = (try cgroups.ancestors(of: path)).first { $0.limit?.pages != nil }.map {
        " (\(TerminalText.safe($0.path)) above it has)"
      }
      return .failure(.group("\(shown) has no memory limit, so it never runs out by itself\(above ?? "")"))
    }
  }

  /// Where the kernel tells of stall; nil for a group of version 1.
  func stallFile(_ path: KernelName?) -> String? {
    guard let path else { return "/proc/pressure/memory" }
    guard cgroups.hierarchy?.version == 2 else { return nil }
    return ((try? cgroups.file("memory.pressure", ofGroup: path)) ?? nil)?.text
  }
}
