// SPDX-License-Identifier: GPL-3.0-or-later
// The texts of Text A/B beside each other, a column per run, scrolled together; one token is current in all.
#pragma once

#include "widgets/views/TokenTextView.h"

#include <QSplitter>

class QLabel;

namespace qs::ui {
class ElidedLabel;
} // namespace qs::ui

namespace qs::app {

/// What a column shows: its text and a word at the right of its head.
struct ColumnText {
    ui::TokenTextPtr text;
    QString note;
};

class TextColumns : public QSplitter {
    Q_OBJECT
public:
    explicit TextColumns(QWidget* parent = nullptr);

    /// Letter and name of each; columns that stay keep their widget.
    void setColumns(const std::vector<std::pair<char, QString>>& columns);
    std::vector<char> letters() const;
    void setText(char letter, const ColumnText& text);
    void setCurrentToken(int token);
    ui::TokenTextView* view(char letter) const;
    /// Lower edge of the current token, this widget's coordinates; -1 when none is visible.
    int currentTokenBottom() const;

signals:
    void tokenChosen(int token);
    void tokenHovered(int token);
    void arranged(); ///< scrolled or resized

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Column {
        char letter = 'A';
        QWidget* box = nullptr;
        ui::ElidedLabel* title = nullptr;
        QLabel* note = nullptr;
        ui::TokenTextView* view = nullptr;
    };
    Column makeColumn(char letter, const QString& name);
    void follow(int scroll);

    std::vector<Column> m_columns;
    int m_token = -1;
    bool m_following = false;
};

} // namespace qs::app
