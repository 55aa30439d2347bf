// SPDX-License-Identifier: GPL-3.0-or-later
// SectionHeader: bold title left, note right, a line above; heads a part of the inspector.
#pragma once

#include <QWidget>

namespace qs::ui {

class SectionHeader : public QWidget {
    Q_OBJECT
public:
    explicit SectionHeader(const QString& title, const QString& note = {}, QWidget* parent = nullptr);
    void setTitle(const QString& title);
    /// `predicted` paints the note in the colour of predicted numbers.
    void setNote(const QString& note, bool predicted = false);
    void setIconName(const QString& name); ///< accent glyph before the title; empty for none
    void setLineAbove(bool on);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_title, m_note, m_icon;
    bool m_predicted = false, m_line = true;
};

} // namespace qs::ui
