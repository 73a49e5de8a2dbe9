"""Sign-in with the user name and password of the hospital's directory (LDAP, Active Directory)."""
