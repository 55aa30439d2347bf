// SPDX-License-Identifier: Apache-2.0
#include "core/text/scripts.h"

#include <oniguruma.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

namespace {

// The index of a name is its script's number.
constexpr std::string_view kScripts =
    "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali "
    "Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian "
    "Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret "
    "Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian "
    "Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo "
    "Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian "
    "Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao "
    "Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic "
    "Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive "
    "Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari New_Tai_Lue Newa "
    "Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian "
    "Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya "
    "Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan "
    "Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese "
    "Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu "
    "Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi "
    "Zanabazar_Square";

std::vector<std::string> scriptNames() {
    std::vector<std::string> names;
    for (std::string_view rest = kScripts; !rest.empty();) {
        const size_t end = std::min(rest.find(' '), rest.size());
        names.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return names;
}

constexpr int indexOf(std::string_view name) {
    int index = 0;
    for (size_t i = 0; i < kScripts.size(); ++i) {
        const bool begins = i == 0 || kScripts[i - 1] == ' ';
        if (begins && kScripts.substr(i, name.size() + 1).starts_with(name) &&
            (i + name.size() == kScripts.size() || kScripts[i + name.size()] == ' '))
            return index;
        if (kScripts[i] == ' ') ++index;
    }
    return -1;
}

struct ScriptRange {
    char32_t first = 0, last = 0;
    int script = -1;
};

std::vector<ScriptRange> readRanges() {
    std::vector<ScriptRange> all;
    OnigEncoding encoding = ONIG_ENCODING_UTF8;
    OnigEncoding encodings[] = {encoding};
    if (onig_initialize(encodings, 1) != ONIG_NORMAL) return all;
    std::vector<std::string> names = scriptNames(); // the macro wants them writable
    for (size_t s = 0; s < names.size(); ++s) {
        std::string& name = names[s];
        auto* begin = reinterpret_cast<OnigUChar*>(name.data());
        const int type = ONIGENC_PROPERTY_NAME_TO_CTYPE(encoding, begin, begin + name.size());
        const OnigCodePoint* ranges = nullptr;
        OnigCodePoint single = 0; // below it the tables are by byte, where an encoding has such
        // Names that this version of Oniguruma does not know have no characters in it either.
        if (type < 0 || ONIGENC_GET_CTYPE_CODE_RANGE(encoding, type, &single, &ranges) != 0) continue;
        for (OnigCodePoint i = 0; i < ranges[0]; ++i)
            all.push_back({ranges[1 + 2 * i], ranges[2 + 2 * i], int(s)});
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return all;
}

} // namespace

int scriptOf(char32_t c) {
    static const std::vector<ScriptRange> ranges = readRanges();
    auto it = std::upper_bound(ranges.begin(), ranges.end(), c,
                               [](char32_t value, const ScriptRange& r) { return value < r.first; });
    if (it == ranges.begin()) return -1;
    --it;
    return c <= it->last ? it->script : -1;
}

int joinedScriptOf(char32_t c) {
    constexpr int kHan = indexOf("Han"), kHiragana = indexOf("Hiragana"), kKatakana = indexOf("Katakana");
    if (c == ' ') return -1;
    const int script = scriptOf(c);
    return c == 0x30FC || script == kHiragana || script == kKatakana ? kHan : script;
}

} // namespace qs::text
