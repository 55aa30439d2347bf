// SPDX-License-Identifier: GPL-3.0-or-later
// SearchLineEdit: a filter or search field with an icon, a clear button and Escape to clear; textSettled()
// fires when typing rests for 120 ms, so that a large model is not filtered on every key.
#pragma once

#include <QLineEdit>
#include <QTimer>

namespace qs::ui {

class SearchLineEdit : public QLineEdit {
    Q_OBJECT
public:
    enum class Kind { Filter, Search };
    explicit SearchLineEdit(Kind kind, const QString& placeholder, QWidget* parent = nullptr);

    /// A ".*" toggle at the right end: the text is a regular expression.
    void setRegexToggle(bool shown);
    void setRegex(bool on) {
        if (m_regex) m_regex->setChecked(on);
    }
    bool isRegex() const { return m_regex && m_regex->isChecked(); }
    /// The pattern is wrong: error frame and tooltip; empty text clears it.
    void setProblem(const QString& problem);

signals:
    void textSettled(const QString& text);
    void regexToggled(bool on);

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    QTimer m_rest;
    QAction* m_regex = nullptr;
    QString m_problem;
};

} // namespace qs::ui
