// SPDX-License-Identifier: GPL-3.0-or-later
// SharedFilter: the one filter of tree, table and maps: what is typed in one view narrows all of them.
#pragma once

#include <QObject>
#include <QString>

namespace qs::ui {

class SearchLineEdit;

class SharedFilter : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;
    const QString& text() const { return m_text; }
    bool isRegex() const { return m_regex; }
    bool isEmpty() const { return m_text.trimmed().isEmpty(); }
    void set(const QString& text, bool regex);

signals:
    void changed();

private:
    QString m_text;
    bool m_regex = false;
};

/// Keeps a filter line and the shared filter equal, in both directions.
void bindFilter(SearchLineEdit* line, SharedFilter* filter);

} // namespace qs::ui
