// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SchemeBook.h"

#include <nlohmann/json.hpp>

namespace qs::app {

SchemeBook::SchemePtr SchemeBook::share(const Scheme& scheme) {
    SchemePtr& known = m_shared[scheme.toJson().dump()];
    if (!known) known = std::make_shared<const Scheme>(scheme);
    return known;
}

const ui::SchemeInfo& SchemeBook::infoOf(const SchemePtr& scheme) {
    const auto [it, fresh] = m_info.try_emplace(scheme.get());
    ui::SchemeInfo& info = it->second;
    if (!fresh) return info;
    info.scheme = scheme;
    if (const auto codec = createCodec(scheme->codec, scheme->codecParams)) {
        info.format = QString::fromStdString((*codec)->label());
        info.bits = (*codec)->bits();
    } else {
        info.format = QString::fromStdString(scheme->codec);
    }
    const auto method = findMethod(scheme->method);
    info.method = QString::fromStdString(method ? (*method)->label : scheme->method);
    if (scheme->inputs) info.inputs = QString::fromStdString(scheme->inputs->label());
    const auto group = scheme->codecParams.values().find("group");
    if (group != scheme->codecParams.values().end() && std::holds_alternative<long long>(group->second)) {
        info.hasGroup = true;
        info.group = std::get<long long>(group->second);
    }
    return info;
}

const ui::SchemeInfo& SchemeBook::keptAs(const QString& sourceType, int bits) {
    return m_kept.try_emplace({sourceType, bits}, ui::SchemeInfo{nullptr, sourceType, {}, bits})
        .first->second;
}

} // namespace qs::app
