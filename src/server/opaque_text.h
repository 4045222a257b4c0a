#pragma once
// Text that travels to a client and comes back unread: the `signature` of an Anthropic thinking block whose
// text the client does not want, and the `encrypted_content` of a Responses reasoning item. Carrying the text
// itself makes a replayed conversation the same prompt, byte for byte, with nothing stored here. It is a
// packing, not a cipher: the text is the model's, and whoever may send the conversation may read it.

#include <optional>
#include <string>
#include <string_view>

namespace mimo {

// The same text gives the same packing: "mimo1." and base64.
std::string PackOpaqueText(std::string_view text);
// Nothing for what was not packed here: another server's signature, a damaged one.
std::optional<std::string> UnpackOpaqueText(std::string_view packed);

}  // namespace mimo
