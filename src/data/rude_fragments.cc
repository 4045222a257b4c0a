#include "data/rude_fragments.h"

#include <algorithm>
#include <iterator>

namespace mimo {
namespace {

// Fragments that the syllables of WordInventor can form, in the spellings that they can form them in.
constexpr std::string_view kFragments[] = {
    // Bodies and what they do.
    "anal", "anus", "arse", "ass", "boob", "bum", "but", "clit", "cock", "kock", "kok", "kox", "coon", "crap",
    "krap", "cum", "kum", "cunt", "kunt", "dick", "dik", "dix", "dildo", "fart", "fuck", "fuk", "fux", "fook",
    "fouk", "fouck", "gash", "jiz", "jyz", "knob", "nipp", "nude", "orgy", "pee", "penis", "piss", "pis",
    "poo", "porn", "prick", "pube", "pubi", "puss", "quim", "rape", "rapi", "raip", "semen", "sex", "seks",
    "shag", "shat", "shit", "shyt", "skat", "suck", "sux", "spunk", "tit", "turd", "twat", "vagi", "vulv",
    "wank",
    // Words for people.
    "abo", "bast", "koon", "dyke", "dyk", "fag", "faig", "gay", "gook", "gouk", "gyp", "homo", "hoor", "hore",
    "idiot", "jap", "jew", "joo", "kaf", "kike", "kyke", "lesb", "lezb", "moron", "neger", "negr", "nig",
    "nyg", "nazi", "natz", "paki", "paky", "queer", "retar", "skank", "slag", "slut", "spik", "spick", "tard",
    "tran", "whor", "wog", "wop",
    // Violence and faith.
    "dead", "hitl", "kil", "kkk", "murd", "god", "jes", "allah", "jihad",
    // Chinese characters, in both scripts.
    "死", "屁", "屎", "尿", "奸", "姦", "尸", "屍", "操", "贱", "賤", "傻", "淫", "婊", "杀", "殺", "鸡巴",
    "雞巴"};

}  // namespace

bool HoldsRudeFragment(std::string_view word) {
  return std::any_of(std::begin(kFragments), std::end(kFragments), [word](std::string_view fragment) {
    return word.find(fragment) != std::string_view::npos;
  });
}

}  // namespace mimo
