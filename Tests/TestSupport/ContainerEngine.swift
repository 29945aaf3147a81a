// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A container as a test wants it; each engine has its own words for the same.
public struct ContainerOrder: Sendable {
  public var name: String
  public var command: [String]
  /// Memory without swap; nil: no limit of its own.
  public var limitMiB: Int? = 50
  /// The cgroup below which it is put; nil: where the engine puts it.
  public var cgroupParent: String?
  public var labels: [String: String] = [:]

  public init(_ name: String, _ command: [String]) {
    self.name = name
    self.command = command
  }

  /// Takes 200 MiB in one piece: `dd` reads a block whole before it writes it.
  public static let hog = ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]
  /// The same as a child of a shell that lives on, and that ends well.
  public static let hogOfShell = ["/bin/sh", "-c", hog.joined(separator: " ") + "; /bin/true"]
  /// As a child of a shell that goes on for as long as it may.
  public static let hogOfServer = ["/bin/sh", "-c", hog.joined(separator: " ") + "; exec /bin/sleep 100000"]
}

/// A real container engine, run by a test in a folder of its own and stopped by its pid.
public protocol ContainerEngine: AnyObject, Sendable {
  /// - Returns: the container's id.
  func create(_ order: ContainerOrder) throws(EngineFailure) -> String
  /// Runs it to its end; the status is what its engine gives for the container.
  func run(_ id: String) -> Program.Ended
  /// Starts it, and does not wait.
  func start(_ id: String) -> Program.Ended
  /// Removes all containers, ends the engine, and leaves nothing: no mount, no cgroup, no file.
  func stop()
}

/// What an engine said instead of doing it.
public struct EngineFailure: Error, CustomStringConvertible {
  public let description: String

  init(_ what: String, _ ended: Program.Ended) { description = "\(what): \(ended.status): \(ended.errors)" }
  init(_ description: String) { self.description = description }
}

extension Requirement {
  /// Why these programs cannot be tried here; nil where they can.
  public static func engine(_ programs: String...) -> String? {
    if let realKills { return realKills }
    let missing = (programs + ["/bin/busybox"]).filter { access($0, X_OK) != 0 }
    return missing.isEmpty ? nil : "needs \(missing.joined(separator: ", "))"
  }
}
