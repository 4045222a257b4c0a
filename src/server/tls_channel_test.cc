#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>

#include "server/byte_channel.h"
#include "server/server_testutil.h"

namespace mimo {
namespace {

// A key and a certificate that it signs itself, as PEM files.
void WriteCertificate(const std::string& certificate_path, const std::string& key_path) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = fopen(certificate_path.c_str(), "w");
  PEM_write_X509(file, certificate);
  fclose(file);
  file = fopen(key_path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// A TLS client that trusts anybody.
class TlsClient {
 public:
  TlsClient(int port, int version) : context_(SSL_CTX_new(TLS_client_method())) {
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, socket_);
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(socket_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  void Send(std::string_view bytes) {
    EXPECT_EQ(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  std::string ReadUntil(std::string_view marker) {
    std::string text;
    char buffer[4096];
    while (text.find(marker) == std::string::npos) {
      const int size = SSL_read(ssl_, buffer, sizeof(buffer));
      if (size <= 0) break;
      text.append(buffer, static_cast<size_t>(size));
    }
    return text;
  }
  void SayGoodbye() { SSL_shutdown(ssl_); }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  int socket_;
  bool connected_ = false;
};

class TlsTest : public ServerTest {
 protected:
  TlsTest()
      : certificate_(testing::TempDir() + fmt::format("tls-{}.pem", getpid())),
        key_(testing::TempDir() + fmt::format("tls-{}.key", getpid())) {
    WriteCertificate(certificate_, key_);
  }
  ~TlsTest() override {
    std::filesystem::remove(certificate_);
    std::filesystem::remove(key_);
  }
  void Configure(ApiServerOptions& options) override {
    options.http.tls_certificate = certificate_;
    options.http.tls_key = key_;
  }

  const std::string certificate_;
  const std::string key_;
};

TEST_F(TlsTest, ServesSeveralRequestsOnAConnectionWithBothVersions) {
  AnswerWith({"hello"});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_->port(), version);
    ASSERT_TRUE(client.connected()) << version;
    client.Send("GET /health HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n");
    EXPECT_NE(client.ReadUntil("\"ok\"}").find("200 OK"), std::string::npos);
    const std::string body = ChatBody(R"("stream":true)");
    client.Send(
        fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
    EXPECT_NE(client.ReadUntil("[DONE]").find("hello"), std::string::npos);
  }
}

TEST_F(TlsTest, RefusesOldVersionsAndPlainHttp) {
  EXPECT_FALSE(TlsClient(server_->port(), TLS1_1_VERSION).connected());
  RawClient plain(server_->port());
  plain.Send("GET /health HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(plain.IsClosedByServer());
}

TEST_F(TlsTest, TakesALargeBody) {
  TlsClient client(server_->port(), TLS1_3_VERSION);
  const std::string text(900'000, 'a');
  const std::string body = DumpJson(Json{{"content", text}});
  client.Send(fmt::format("POST /tokenize HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.size()));
  client.Send(body);

  EXPECT_NE(client.ReadUntil("\"count\":900000").find("200 OK"), std::string::npos);
}

// The goodbye of TLS is bytes on the socket: it must not pass for a client that is still there.
TEST_F(TlsTest, CancelsWhenTheClientSaysGoodbye) {
  TlsClient client(server_->port(), TLS1_3_VERSION);
  const std::string body = ChatBody();
  client.Send(
      fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  ASSERT_TRUE(engine_->WaitForRequests(1));

  client.SayGoodbye();

  EXPECT_TRUE(engine_->WaitForCancel(0));
}

TEST_F(TlsTest, ASilentClientIsGivenUp) {
  RawClient silent(server_->port());  // shakes no hands

  server_.reset();  // and does not keep the server from ending

  EXPECT_TRUE(silent.IsClosedByServer());
}

TEST_F(TlsTest, ReadsANewCertificate) {
  auto context = TlsContext::Create(certificate_, key_);
  ASSERT_TRUE(context.has_value()) << context.error().message;
  WriteCertificate(certificate_, key_);
  EXPECT_TRUE((*context)->Reload().has_value());
  WriteCertificate(certificate_, key_ + ".other");  // no longer that key's
  EXPECT_FALSE((*context)->Reload().has_value());
  std::filesystem::remove(key_ + ".other");
}

TEST(TlsContext, NamesTheFileAtFault) {
  const auto context = TlsContext::Create("/nowhere.pem", "/nowhere.key");

  ASSERT_FALSE(context.has_value());
  EXPECT_NE(context.error().message.find("/nowhere.pem"), std::string::npos);
}

}  // namespace
}  // namespace mimo
