// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/SharedFilter.h"

#include "widgets/views/SearchLineEdit.h"

namespace qs::ui {

void SharedFilter::set(const QString& text, bool regex) {
    if (m_text == text && m_regex == regex) return;
    m_text = text;
    m_regex = regex;
    emit changed();
}

void bindFilter(SearchLineEdit* line, SharedFilter* filter) {
    const auto tell = [line, filter] { filter->set(line->text(), line->isRegex()); };
    QObject::connect(line, &SearchLineEdit::textSettled, filter, tell);
    QObject::connect(line, &SearchLineEdit::regexToggled, filter, tell);
    QObject::connect(filter, &SharedFilter::changed, line, [line, filter] {
        if (line->text() != filter->text()) line->setText(filter->text());
        line->setRegex(filter->isRegex());
    });
}

} // namespace qs::ui
