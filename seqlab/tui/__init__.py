"""The lab on a terminal: screens, the widgets they are made of, and their colours."""
