import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/** The JDK's own providers: the key as a PrivateKey loaded from PKCS#8, or AES ciphers. */
public final class UseJava {
    static Object kept;
    static final Map<String, String[]> NAMES = Map.of(
        "rsa", new String[] {"RSA", "SHA256withRSA"},
        "ec", new String[] {"EC", "SHA256withECDSA"},
        "ed25519", new String[] {"Ed25519", "Ed25519"});

    public static void main(String[] arguments) throws Exception {
        String kind = arguments[0];
        if (NAMES.containsKey(kind)) {
            byte[] file = Files.readAllBytes(Path.of(arguments[1]));
            String[] names = NAMES.get(kind);
            PrivateKey key = KeyFactory.getInstance(names[0])
                .generatePrivate(new PKCS8EncodedKeySpec(file));
            for (int i = 0; i < 3; i++) {
                Signature signature = Signature.getInstance(names[1]);
                signature.initSign(key);
                signature.update("message".getBytes());
                signature.sign();
            }
            kept = key;
        } else if (kind.equals("aes")) {
            byte[] file = Files.readAllBytes(Path.of(arguments[1]));
            Cipher cipher = Cipher.getInstance("AES/ECB/NoPadding");
            cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(file, "AES"));
            cipher.update(new byte[16]);
            kept = cipher;
        }
        System.out.println("READY");
        System.in.read();
    }
}
