// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Finds the addresses of a host and connects to the first that answers, without waiting.
///
/// Names are asked of getent(1), a child: a static program has no resolver of its own, and a resolver waits.
final class SocketConnector {
  enum Outcome {
    case waiting
    case connected(Int32)
    case failed(DestinationFailure)
  }

  /// For one address to answer, and for getent.
  private static let waitNanoseconds: Int64 = 10 * Monotonic.second
  private static let addressesMax = 8

  private enum Phase {
    /// Until when; after it was killed its end alone is awaited.
    case asking(ChildTask, until: Int64?)
    case trying
    case connecting(Int32, since: Int64)
    case done
  }

  private let address: SocketAddress
  private let type: __socket_type
  private var phase: Phase
  private var names: [SocketName]
  private var failure: DestinationFailure

  init(_ address: SocketAddress, _ type: __socket_type, nowNanoseconds now: Int64) {
    self.address = address
    self.type = type
    switch address {
    case .unix(let path): (phase, names, failure) = (.trying, [SocketName(path: path)], .system("connect", ENOENT))
    case .network(let host, let port):
      failure = .noAddress(host)
      if let name = SocketName(host: host, port: port) {
        (phase, names) = (.trying, [name])
      } else if let task = try? ChildTask("getent", ["ahosts", host], input: []) {
        (phase, names) = (.asking(task, until: now + SocketConnector.waitNanoseconds), [])
      } else {
        (phase, names, failure) = (.trying, [], .noProgram("getent"))
      }
    }
  }

  deinit { if case .connecting(let descriptor, _) = phase { close(descriptor) } }

  var polls: [pollfd] {
    switch phase {
    case .asking(let task, _): task.polls
    case .connecting(let descriptor, _): [pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)]
    case .trying, .done: []
    }
  }

  var dueNanoseconds: Int64? {
    switch phase {
    case .asking(_, let until): until
    case .connecting(_, let since): since + SocketConnector.waitNanoseconds
    case .trying: 0
    case .done: nil
    }
  }

  func step(nowNanoseconds now: Int64) -> Outcome {
    while true {
      switch phase {
      case .asking(let task, let until):
        if let until, now >= until {
          task.kill()
          phase = .asking(task, until: nil)
        }
        guard let ended = task.step() else { return .waiting }
        names = addresses(ended)
        phase = .trying
      case .trying:
        guard !names.isEmpty else {
          phase = .done
          return .failed(failure)
        }
        if let descriptor = attempt(names.removeFirst(), now) {
          phase = .done
          return .connected(descriptor)
        }
      case .connecting(let descriptor, let since):
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, 0) == 1 else {
          guard now >= since + SocketConnector.waitNanoseconds else { return .waiting }
          failure = .timeout
          close(descriptor)
          phase = .trying
          continue
        }
        var number: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
        if number == 0 {
          phase = .done
          return .connected(descriptor)
        }
        failure = .system("connect", number)
        close(descriptor)
        phase = .trying
      case .done: return .failed(failure)
      }
    }
  }

  /// A socket that is connected; else `phase` or `failure` says what became of it.
  private func attempt(_ name: SocketName, _ now: Int64) -> Int32? {
    guard let descriptor = name.socket(type) else {
      failure = .system("socket", errno)
      return nil
    }
    switch name.connect(descriptor) {
    case 0: return descriptor
    case EINPROGRESS: phase = .connecting(descriptor, since: now)
    case let number:
      failure = .system("connect", number)
      close(descriptor)
    }
    return nil
  }

  /// Source: getent(1): address, kind of socket, name.
  private func addresses(_ ended: ChildTask.Ended) -> [SocketName] {
    guard ended.status == 0, case .network(_, let port) = address else { return [] }
    var texts: [String] = []
    for line in String(decoding: ended.output, as: UTF8.self).split(separator: "\n") {
      guard let text = line.split(separator: " ").first.map(String.init), !texts.contains(text) else { continue }
      texts.append(text)
    }
    return texts.prefix(SocketConnector.addressesMax).compactMap { SocketName(host: $0, port: port) }
  }
}
