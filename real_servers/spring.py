"""Spring Authorization Server (Spring Boot 4.0.7) as an issuer: scope lists, no ``typ``, rotations.

``real_servers/run spring`` builds it with Maven and Java 17 in a minute; 500 MB of memory.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
from checks import Checks, free_port, wait_for

import roomkey

VERSION = "4.0.7"

PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>{VERSION}</version>
  </parent>
  <groupId>example</groupId><artifactId>issuer</artifactId><version>1</version>
  <properties><java.version>17</java.version></properties>
  <dependencies>
    <dependency>
      <groupId>org.springframework.boot</groupId>
      <artifactId>spring-boot-starter-security-oauth2-authorization-server</artifactId>
    </dependency>
    <dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-webmvc</artifactId></dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
  </plugin></plugins></build>
</project>
"""

PROGRAM = """package example;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.interfaces.RSAPublicKey;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.config.annotation.web.configuration.WebSecurityCustomizer;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Issuer {
  private final List<JWK> keys = new ArrayList<>();

  public static void main(String[] arguments) { SpringApplication.run(Issuer.class, arguments); }

  private synchronized void newKey() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    KeyPair pair = generator.generateKeyPair();
    keys.add(0, new RSAKey.Builder((RSAPublicKey) pair.getPublic()).privateKey(pair.getPrivate())
        .keyID(UUID.randomUUID().toString()).build());
  }

  @Bean
  JWKSource<SecurityContext> keys() throws Exception {
    newKey();
    return (selector, context) -> selector.select(new JWKSet(new ArrayList<>(keys)));
  }

  @Bean
  OAuth2TokenCustomizer<JwtEncodingContext> signsWithTheNewestKey() {
    return context -> context.getJwsHeader().keyId(keys.get(0).getKeyID());
  }

  // A filter chain of our own would switch off the one that Boot makes for the authorization server.
  @Bean
  WebSecurityCustomizer administration() {
    return web -> web.ignoring().requestMatchers("/rotate");
  }

  @PostMapping("/rotate")
  String rotate() throws Exception {
    newKey();
    return "rotated";
  }
}
"""

SETTINGS = """server.address=127.0.0.1
spring.security.oauth2.authorizationserver.client.reports.registration.client-id=reports
spring.security.oauth2.authorizationserver.client.reports.registration.client-secret={noop}secret-of-reports
spring.security.oauth2.authorizationserver.client.reports.registration.client-authentication-methods=client_secret_basic
spring.security.oauth2.authorizationserver.client.reports.registration.authorization-grant-types=client_credentials
spring.security.oauth2.authorizationserver.client.reports.registration.scopes=orders:read,orders:write
spring.security.oauth2.authorizationserver.client.poster.registration.client-id=poster
spring.security.oauth2.authorizationserver.client.poster.registration.client-secret={noop}secret-of-poster
spring.security.oauth2.authorizationserver.client.poster.registration.client-authentication-methods=client_secret_post
spring.security.oauth2.authorizationserver.client.poster.registration.authorization-grant-types=client_credentials
"""


def build(folder: Path) -> Path:
    sources = folder / "src/main/java/example"
    sources.mkdir(parents=True)
    (folder / "pom.xml").write_text(PROJECT)
    (sources / "Issuer.java").write_text(PROGRAM)
    (folder / "src/main/resources").mkdir()
    (folder / "src/main/resources/application.properties").write_text(SETTINGS)
    subprocess.run(["mvn", "-q", "-B", "package"], cwd=folder, check=True)
    return folder / "target/issuer-1.jar"


def main() -> int:
    checks = Checks("Spring Authorization Server of Boot", VERSION)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        issuer = f"http://127.0.0.1:{port}"
        command = [
            *("java", "-Xmx400m", "-jar", build(folder), f"--server.port={port}"),
            f"--spring.security.oauth2.authorizationserver.issuer={issuer}",
        ]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
            try:
                metadata = f"{issuer}/.well-known/oauth-authorization-server"
                wait_for(lambda: httpx2.get(metadata).status_code == 200, seconds=90, what="Spring's start")
                with roomkey.TokenManager() as manager:
                    steps(checks, issuer, manager)
            except TimeoutError:
                print((folder / "log").read_text()[-3000:])
                raise
            finally:
                server.terminate()
                server.wait(30)
    return checks.finish()


def steps(checks: Checks, issuer: str, manager: roomkey.TokenManager) -> None:
    source = roomkey.ClientCredentials(
        issuer=issuer, client_id="reports", client_secret="secret-of-reports", scope="orders:read orders:write"
    )
    reports = manager.credential(source)
    with checks.step("issuer= finds the endpoints; client credentials"):
        assert reports.token().expires_in > 60
    with checks.step("a client registered for client_secret_post"):
        poster = roomkey.ClientCredentials(
            issuer=issuer, client_id="poster", client_secret="secret-of-poster", authentication="client_secret_post"
        )
        assert manager.credential(poster).token().value
    validator = roomkey.TokenValidator(issuer=issuer, audience="reports", profile="jwt", claims="spring")
    with checks.step("a token without typ and with a scope list"):
        claims = validator.validate(reports.token().value)
        assert {"orders:read", "orders:write"} <= set(claims.scopes), dict(claims)
    with checks.step("two key rotations in a row, each used at once: every token is good"):
        for _ in range(2):
            httpx2.post(f"{issuer}/rotate").raise_for_status()
            assert validator.validate(reports.refresh().value).subject == "reports"


if __name__ == "__main__":
    sys.exit(main())
