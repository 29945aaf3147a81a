// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Where a request goes and what it proves who we are by; files are read for each request, since tokens are renewed.
struct HTTPSecrets {
  /// What one request is sent with.
  struct Target {
    var url: String
    var headers: [String]
    var caFile: String?
  }

  /// File: of a pod, by Kubernetes' own documentation, "Accessing the Kubernetes API from a Pod".
  private static let accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
  private static let fileBytesMax = 64 * 1024

  private let settings: HTTPSettings

  init(_ settings: HTTPSettings) { self.settings = settings }

  /// - Throws: where a file does not hold what it is to.
  func target(_ line: DeliveredLine) throws(DestinationFailureError) -> Target {
    var url = settings.url
    if let path = settings.urlFile {
      url = try HTTPSecrets.lines(path).first ?? ""
      guard HTTPSettings.isURL(url) else { throw DestinationFailureError(failure: .badFile(path)) }
    }
    var headers = settings.headers
    if let path = settings.headersFile {
      let lines = try HTTPSecrets.lines(path).filter { !$0.isEmpty }
      guard lines.count <= HTTPSettings.headersMax, lines.allSatisfy(HTTPSettings.isHeader) else {
        throw DestinationFailureError(failure: .badFile(path))
      }
      headers += lines
    }
    var (tokenFile, caFile) = (settings.bearerTokenFile, settings.caFile)
    if settings.format == .kubernetes {
      if url.isEmpty { url = HTTPSettings.podServer ?? "" }
      let isInPod = access(HTTPSecrets.accountFolder + "/token", R_OK) == 0
      if tokenFile == nil, isInPod { tokenFile = HTTPSecrets.accountFolder + "/token" }
      if caFile == nil, isInPod { caFile = HTTPSecrets.accountFolder + "/ca.crt" }
      while url.hasSuffix("/") { url.removeLast() }
      url += "/api/v1/namespaces/\(line.facts.subject.pod?.namespace ?? "default")/events"
    }
    if let tokenFile {
      let token = try HTTPSecrets.lines(tokenFile).first ?? ""
      let header = "Authorization: Bearer \(token)"
      guard !token.isEmpty, HTTPSettings.isHeader(header) else {
        throw DestinationFailureError(failure: .badFile(tokenFile))
      }
      headers.append(header)
    }
    return Target(url: url, headers: headers, caFile: caFile)
  }

  private static func lines(_ path: String) throws(DestinationFailureError) -> [String] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw DestinationFailureError(failure: .system("open \(path)", errno)) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while bytes.count <= fileBytesMax {
      let count = read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw DestinationFailureError(failure: .system("read \(path)", errno)) }
      if count == 0 { break }
      bytes += piece[..<count]
    }
    guard bytes.count <= fileBytesMax, let text = String(validating: bytes, as: UTF8.self) else {
      throw DestinationFailureError(failure: .badFile(path))
    }
    return text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { String($0) }
  }
}

extension HTTPSettings {
  /// The API server as a pod's environment tells it; nil outside of one.
  package static var podServer: String? {
    guard let host = getenv("KUBERNETES_SERVICE_HOST").map({ String(cString: $0) }), !host.isEmpty else { return nil }
    let port = getenv("KUBERNETES_SERVICE_PORT").map { String(cString: $0) } ?? "443"
    let url = "https://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    return isURL(url) ? url : nil
  }
}
