package server;

import org.eclipse.hawkbit.autoconfigure.security.EnableHawkbitManagedSecurityConfiguration;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** hawkBit as it comes. */
@SpringBootApplication
@EnableHawkbitManagedSecurityConfiguration
public class Main {
    public static void main(String[] arguments) {
        SpringApplication.run(Main.class, arguments);
    }
}
